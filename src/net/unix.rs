//! The unix socket.
//!
//! 1. The socket's directory is created if it is missing.
//! 2. A stale socket at the path, on which no process listens, is left from a crash and is
//!    replaced. A live socket, or a file that is not a socket, stays and is an error. (Falco
//!    replaced a live socket silently, so its owner could not be reached any more.)
//! 3. The file gets its mode and group between `bind` and `listen`, so no client can connect
//!    earlier.
//! 4. Symbolic links to it are created ([`Links`]).
//! 5. At shutdown the file is removed, unless another file has replaced it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, Group, access};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::links::{self, Links};
use super::{BindError, UnixSocket};

/// The listen backlog: how many connections may wait to be accepted.
pub(super) const BACKLOG: i32 = 1024;

/// A bound socket; dropping it removes the file.
#[derive(Debug)]
pub struct Bound {
    pub(super) listener: UnixListener,
    /// `None` if systemd owns the file.
    _file: Option<SocketFile>,
    /// Links to the socket, which are removed with it.
    links: Links,
}

impl Bound {
    /// Listens on a socket that systemd bound. Needs a tokio runtime.
    pub(super) fn inherited(listener: StdListener) -> Result<Self, BindError> {
        let listening =
            listener.set_nonblocking(true).and_then(|()| UnixListener::from_std(listener));
        let listener = listening.map_err(|error| BindError {
            address: "the unix socket from systemd".into(),
            reason: error.to_string(),
            remedy: "check the unit's ListenStream=",
            scarcity: false,
        })?;
        tracing::info!("serving on the unix socket from systemd");
        if let Some(path) =
            listener.local_addr().ok().and_then(|at| at.as_pathname().map(Path::to_owned))
            && fs::metadata(&path).is_ok_and(|found| found.mode() & 0o002 != 0)
        {
            tracing::warn!(
                path = %path.display(),
                "every user of this machine can connect and read all alerts; set SocketMode=0660 \
                 and SocketGroup= in the systemd unit, because falconer.socket does not apply"
            );
        }
        Ok(Self { listener, _file: None, links: Links::default() })
    }
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if ours {
            // If this fails, the next start finds a stale socket and replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates the socket and listens. Needs a tokio runtime.
///
/// # Errors
/// If the socket cannot be created; with the remedy.
pub fn bind(socket: &UnixSocket) -> Result<Bound, BindError> {
    let failed = |reason, remedy| failed(socket, reason, remedy);
    if let Some(directory) = socket.path.parent() {
        fs::create_dir_all(directory).map_err(|error| {
            failed(
                format!("cannot create its directory: {error}"),
                "create it, or choose another path in grpc.bind_address",
            )
        })?;
    }
    clear(&socket.path).map_err(|(reason, remedy)| failed(reason, remedy))?;
    let gid = gid(socket).map_err(|(reason, remedy)| failed(reason, remedy))?;
    let mut bound = listen(socket, gid).map_err(|error| {
        failed(error.to_string(), "check the owner of the directory, and falconer.socket")
    })?;
    bound.links = Links::make(&socket.path, &socket.links)?;
    Ok(bound)
}

/// Checks, without creating anything, whether the socket could be created: its group exists, its
/// directory is writable, and its links can be created.
///
/// # Errors
/// If the socket could not be created; with the remedy.
pub fn check(socket: &UnixSocket) -> Result<(), BindError> {
    let failed = |reason, remedy| failed(socket, reason, remedy);
    gid(socket).map_err(|(reason, remedy)| failed(reason, remedy))?;
    links::check(&socket.path, &socket.links)?;
    let above = socket.path.ancestors().skip(1).find(|above| above.exists());
    let writable = above.is_some_and(|above| access(above, AccessFlags::W_OK).is_ok());
    if writable {
        return Ok(());
    }
    let above = above.unwrap_or(&socket.path).display();
    let reason = format!("this user has no permission to write to {above}");
    Err(failed(reason, "grant it, or choose another path"))
}

fn failed(socket: &UnixSocket, reason: String, remedy: &'static str) -> BindError {
    let address = format!("unix://{}", socket.path.display());
    BindError { address, reason, remedy, scarcity: false }
}

type Problem = (String, &'static str);

fn gid(socket: &UnixSocket) -> Result<Option<u32>, Problem> {
    let Some(name) = &socket.group else { return Ok(None) };
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(Some(group.gid.as_raw())),
        Ok(None) => Err((
            format!("there is no group {name:?}"),
            "create it, or correct falconer.socket.group",
        )),
        Err(error) => Err((
            format!("cannot look up group {name:?}: {error}"),
            "correct falconer.socket.group",
        )),
    }
}

/// The contents of a socket's path.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A socket that no process listens on.
    Stale,
    /// A socket that a process listens on.
    Live,
    /// Anything else, which must not be replaced: the reason and the remedy.
    Other(String, &'static str),
}

/// Returns what is at `path`. Connects to a socket to find out whether a process listens on it.
#[must_use]
pub fn look(path: &Path) -> Found {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
        Err(error) => {
            return Found::Other(error.to_string(), "check the permissions of its directory");
        }
    };
    if !found.file_type().is_socket() {
        return Found::Other(
            "a file at this path is not a socket".into(),
            "move it away, or choose another path in grpc.bind_address",
        );
    }
    match try_connect(path) {
        Ok(()) => Found::Live,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Found::Stale,
        Err(error) => Found::Other(
            format!("cannot connect to the socket at this path: {error}"),
            "remove it if no process listens on it",
        ),
    }
}

/// Removes a stale socket from `path`. Anything else there is an error.
fn clear(path: &Path) -> Result<(), Problem> {
    match look(path) {
        Found::Nothing => Ok(()),
        Found::Stale => {
            tracing::info!(path = %path.display(), "replacing a stale socket");
            fs::remove_file(path)
                .map_err(|error| (format!("cannot remove a stale socket: {error}"), "remove it"))
        }
        Found::Live => Err((
            "another process is serving there".into(),
            "stop it (an older Falco, or a second falconer), or choose another path",
        )),
        Found::Other(reason, remedy) => Err((reason, remedy)),
    }
}

/// Tries to connect. Succeeds too if the backlog of the socket is full.
fn try_connect(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        tried => tried,
    }
}

fn listen(wanted: &UnixSocket, gid: Option<u32>) -> io::Result<Bound> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(&wanted.path)?)?;
    let found = fs::symlink_metadata(&wanted.path)?;
    let file = SocketFile { path: wanted.path.clone(), device: found.dev(), inode: found.ino() };
    fs::set_permissions(&wanted.path, Permissions::from_mode(wanted.mode))?;
    if gid.is_some() {
        chown(&wanted.path, None, gid)?;
    }
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Bound {
        listener: UnixListener::from_std(socket.into())?,
        _file: Some(file),
        links: Links::default(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn socket(path: PathBuf) -> UnixSocket {
        UnixSocket { path, mode: 0o640, group: None, links: Vec::new() }
    }

    #[tokio::test]
    async fn directory_mode_and_removal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/falco.sock");
        let bound = bind(&socket(path.clone())).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("falco.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "std leaves the file behind");
        let bound = bind(&socket(path.clone())).unwrap();
        let error = bind(&socket(path.clone())).unwrap_err().to_string();
        assert!(error.contains("another process is serving there"), "{error}");
        assert!(UnixStream::connect(&path).is_ok());
        drop(bound);
    }

    #[tokio::test]
    async fn a_socket_with_a_full_backlog_is_live() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("falco.sock");
        let owner = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        owner.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        owner.listen(0).unwrap();
        let _waiting = UnixStream::connect(&path).unwrap();
        let error = bind(&socket(path.clone())).unwrap_err().to_string();
        assert!(error.contains("another process is serving there"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_is_not_a_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("falco.sock");
        fs::write(&path, "precious").unwrap();
        let error = bind(&socket(path.clone())).unwrap_err().to_string();
        assert!(error.contains("not a socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn a_group_that_does_not_exist_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = UnixSocket {
            group: Some("no-such-group".into()),
            ..socket(directory.path().join("falco.sock"))
        };
        let error = bind(&wanted).unwrap_err().to_string();
        assert!(error.contains("no-such-group") && error.contains("socket.group"), "{error}");
    }

    #[tokio::test]
    async fn a_file_that_replaced_the_socket_is_not_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("falco.sock");
        let bound = bind(&socket(path.clone())).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        drop(bound);
        assert!(path.exists());
    }
}
