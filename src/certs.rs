//! `falconer certs init`: makes an authority, a server and a client certificate for mutual TLS, in
//! a form that every client accepts.
//!
//! Falco's instructions made certificates of X.509 version 1 without a subjectAltName, which Go
//! clients refuse since 1.15. These are version 3 and name their purpose.
//!
//! 1. Nothing is overwritten: if one of the six files exists, nothing is written at all.
//! 2. The authority can sign these certificates, but no further authorities. It is valid for ten
//!    years. The certificates are valid for less than 825 days, because some platforms trust no
//!    server certificate for longer.
//! 3. The server certificate is for every `--host`, then for the names and addresses that this
//!    machine reaches itself by. The first is its common name. Keys are ECDSA P-256 in PKCS#8,
//!    which Go, gRPC's C core, Node and rustls can all read.
//! 4. Only the owner can read the keys, and the directory if it is new. If a file cannot be
//!    written, those written before are removed.
//! 5. The result is text: the configuration, and a call to try.
//!
//! Imports no other module of the crate.

use std::fmt::{self, Write as _};
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

/// The validity of the server and client certificates, in days. Some platforms allow 825; this is
/// one less, because the last second counts as well.
pub const LEAF_DAYS: i64 = 824;

/// The validity of the authority's certificate, in years.
pub const AUTHORITY_YEARS: i64 = 10;

/// Longest common name, in characters (RFC 5280, `ub-common-name`).
const MAX_COMMON_NAME: usize = 64;

/// Longest host name and longest label of one, in bytes (RFC 1035).
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// The common name of the client certificate. It appears in logs and is not checked.
const CLIENT: &str = "falconer client";

const DIRECTORY_MODE: u32 = 0o700;
const KEY_MODE: u32 = 0o600;
const CERTIFICATE_MODE: u32 = 0o644;

/// A name or an address of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A DNS name in lower case; its first label can be `*`.
    Name(String),
    /// An IP address.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// The error of a text that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a DNS name or an IP address, without a port, such as falco.example.org or 10.0.0.1"
)]
pub struct NotAHost;

impl FromStr for Host {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let mut labels = text.strip_prefix("*.").unwrap_or(text).split('.');
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let is_label = |label: &str| {
            (1..=MAX_LABEL).contains(&label.len())
                && label.bytes().all(letter)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // Browsers and libraries read a name that ends in a number as an address.
        let last = text.rsplit('.').next().unwrap_or_default();
        let is_number = last.bytes().all(|b| b.is_ascii_digit());
        if text.len() <= MAX_HOST && labels.all(is_label) && !is_number {
            Ok(Self::Name(text.to_ascii_lowercase()))
        } else {
            Err(NotAHost)
        }
    }
}

/// The reason why no certificates were made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// One of the files exists.
    #[error(
        "{0:?} already exists and is not overwritten; choose another directory, or move it away"
    )]
    Exists(PathBuf),
    /// A file or directory cannot be examined or written.
    #[error("cannot {what} {path:?}: {error}; choose another directory, or fix the cause")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What failed, as a verb.
        what: &'static str,
        /// The cause.
        error: io::Error,
    },
    /// The directory's path is not UTF-8, so that a configuration cannot name it.
    #[error("the path {0:?} is not UTF-8 text, so no configuration can name it; choose another")]
    NotText(PathBuf),
    /// The cryptographic library failed.
    #[error("cannot make the certificates: {0}")]
    Make(#[from] rcgen::Error),
}

/// Writes the six files to `directory`, for a server with these `hosts` and the names of this
/// machine. Returns the configuration in YAML, with further steps as comments.
///
/// # Errors
/// When one of the files exists or cannot be written.
pub fn init(directory: &Path, hosts: &[Host], now: Timestamp) -> Result<String, Error> {
    let directory = &std::path::absolute(directory).map_err(wrong(directory, "find"))?;
    let path = directory.to_str().ok_or_else(|| Error::NotText(directory.clone()))?;
    let names = names(hosts);
    let files = make(&names, now.to_zoned_datetime(TimeZone::UTC).date())?;
    for file in &files {
        check_absent(&directory.join(file.name))?;
    }
    create(directory)?;
    write_all(directory, &files)?;
    Ok(instructions(path, &names))
}

fn wrong(path: &Path, what: &'static str) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::File { path, what, error }
}

/// Returns every name of the server once, `hosts` first.
fn names(hosts: &[Host]) -> Vec<Host> {
    let machine = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let mut names = Vec::new();
    let own = ["localhost", "127.0.0.1", "::1"].into_iter().map(str::parse);
    // The machine's name is left out if it is no DNS name, because no client can use it.
    let own = own.chain(machine.map(|name| name.parse()));
    for name in hosts.iter().cloned().chain(own.filter_map(Result::ok)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A file to write.
#[derive(Debug)]
struct File {
    name: &'static str,
    mode: u32,
    text: String,
}

fn make(names: &[Host], today: Date) -> Result<[File; 6], Error> {
    // Starts a day early, for clients whose clocks are slow.
    let start = today.saturating_sub(1.day());
    let key = |name, key: &KeyPair| File { name, mode: KEY_MODE, text: key.serialize_pem() };
    let certificate = |name, certificate: &rcgen::Certificate| {
        let text = certificate.pem();
        File { name, mode: CERTIFICATE_MODE, text }
    };

    let authority_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let years = start.saturating_add(AUTHORITY_YEARS.years());
    let mut authority = params(&format!("Falconer authority {today}"), &[], start, years)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, &authority_key);

    let leaf = |common_name: &str, names: &[Host], purpose| {
        let days = start.saturating_add(LEAF_DAYS.days());
        let mut params = params(common_name, names, start, days)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok::<_, Error>((key, certificate))
    };
    let first = names.iter().map(Host::to_string).find(|name| name.len() <= MAX_COMMON_NAME);
    let first = first.unwrap_or_else(|| "localhost".to_owned());
    let (server_key, server) = leaf(&first, names, ExtendedKeyUsagePurpose::ServerAuth)?;
    let (client_key, client) = leaf(CLIENT, &[], ExtendedKeyUsagePurpose::ClientAuth)?;
    Ok([
        key("ca.key", &authority_key),
        certificate("ca.crt", &authority_certificate),
        key("server.key", &server_key),
        certificate("server.crt", &server),
        key("client.key", &client_key),
        certificate("client.crt", &client),
    ])
}

fn params(
    common_name: &str,
    names: &[Host],
    from: Date,
    until: Date,
) -> Result<CertificateParams, Error> {
    let names: Vec<_> = names.iter().map(Host::to_string).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let midnight = |date: Date| {
        let part = |number: i8| number.unsigned_abs();
        rcgen::date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
    };
    params.not_before = midnight(from);
    params.not_after = midnight(until);
    Ok(params)
}

fn check_absent(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(Error::Exists(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(wrong(path, "examine")(error)),
    }
}

/// Creates the directory with mode 0700, and missing parents with the default mode.
fn create(directory: &Path) -> Result<(), Error> {
    if let Some(above) = directory.parent() {
        fs::create_dir_all(above).map_err(wrong(above, "create"))?;
    }
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(wrong(directory, "create")(error))
        }
        _ => Ok(()),
    }
}

/// Writes all files, or none.
fn write_all(directory: &Path, files: &[File]) -> Result<(), Error> {
    let mut written = Vec::new();
    let outcome = files.iter().try_for_each(|file| {
        let path = directory.join(file.name);
        write(&path, file, &mut written).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Error::Exists(path),
            _ => wrong(&path, "write")(error),
        })
    });
    if outcome.is_err() {
        for path in written {
            // The next run finds, and names, a file that cannot be removed.
            let _ = fs::remove_file(path);
        }
    }
    outcome
}

fn write(path: &Path, file: &File, written: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut out = OpenOptions::new().write(true).create_new(true).mode(KEY_MODE).open(path)?;
    written.push(path.to_owned());
    // The umask must neither add nor remove permissions.
    out.set_permissions(Permissions::from_mode(file.mode))?;
    out.write_all(file.text.as_bytes())?;
    out.sync_all()
}

/// Returns the configuration, with further steps as comments.
fn instructions(directory: &str, names: &[Host]) -> String {
    let mut text = String::new();
    let mut line = |line: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{line}");
    };
    let file = |name: &str| format!("{directory}/{name}");
    line("# The configuration of the server:");
    line("grpc:");
    line("  enabled: true");
    line("  bind_address: \"0.0.0.0:5060\"");
    for (key, name) in
        [("private_key", "server.key"), ("cert_chain", "server.crt"), ("root_certs", "ca.crt")]
    {
        line(&format!("  {key}: {}", yaml_text(&file(name))));
    }
    let names: Vec<_> = names.iter().map(Host::to_string).collect();
    line(&format!("# The certificate is valid for {}.", names.join(", ")));
    let [roots, certificate, key] =
        ["ca.crt", "client.crt", "client.key"].map(|name| shell_word(&file(name)));
    line("# Clients need ca.crt, client.crt and client.key. Try it with:");
    line(&format!(
        "#   grpcurl -cacert {roots} -cert {certificate} -key {key} localhost:5060 \
         falco.version.service/version"
    ));
    line("# Move ca.key off the server: anyone who has it can make client certificates.");
    text
}

/// Quotes a scalar of YAML, and escapes `${` so that nothing is expanded in it.
fn yaml_text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.replace("${", "$${").chars() {
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            c if c.is_control() => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => write!(quoted, "{c}"),
        };
    }
    quoted.push('"');
    quoted
}

/// Quotes `text` as one word of a POSIX shell, on one line.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=,:@%".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    if text.chars().any(char::is_control) {
        return format!("{text:?}");
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        for (text, expected) in [
            ("localhost", "localhost"),
            ("Falco.Example.ORG", "falco.example.org"),
            ("*.example.org", "*.example.org"),
            ("node_1.local", "node_1.local"),
            ("10.0.0.1", "10.0.0.1"),
            ("::1", "::1"),
            ("2001:DB8::0:1", "2001:db8::1"),
        ] {
            assert_eq!(text.parse::<Host>().map(|host| host.to_string()), Ok(expected.to_owned()));
        }
        let long = ["a"; 128].join(".");
        let label = "a".repeat(64);
        for text in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a b",
            "a:5060",
            "[::1]",
            "10.0.0.256",
            "1",
            "a.*",
            "*",
            "*a.b",
            "ö.example.org",
            "a/b",
            "a\n",
            &long,
            &label,
        ] {
            assert_eq!(text.parse::<Host>(), Err(NotAHost), "{text:?}");
        }
    }

    #[test]
    fn names_are_unique_and_hosts_come_first() {
        let hosts: Vec<Host> =
            ["b.example", "127.0.0.1", "b.example"].map(|host| host.parse().unwrap()).into();
        let names: Vec<_> = names(&hosts).iter().map(Host::to_string).collect();
        assert_eq!(names[..4], ["b.example", "127.0.0.1", "localhost", "::1"]);
        assert!(names.len() <= 5, "{names:?}");
    }

    #[test]
    fn all_files_are_written_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name| File { name, mode: KEY_MODE, text: "new".to_owned() };
        let files = ["a", "b", "c"].map(file);
        // The file appeared between the check and the write.
        fs::write(directory.path().join("b"), "precious").unwrap();
        let error = write_all(directory.path(), &files).unwrap_err().to_string();
        assert!(error.contains("/b\" already exists"), "{error}");
        assert!(!directory.path().join("a").exists() && !directory.path().join("c").exists());
        assert_eq!(fs::read_to_string(directory.path().join("b")).unwrap(), "precious");
        write_all(directory.path(), &["d", "e"].map(file)).unwrap();
        assert!(directory.path().join("e").exists());
    }

    #[test]
    fn paths_are_quoted_for_yaml_and_for_the_shell() {
        for (path, yaml, shell) in [
            ("/etc/falco/certs", r#""/etc/falco/certs""#, "/etc/falco/certs"),
            ("/a b", r#""/a b""#, "'/a b'"),
            ("/it's", r#""/it's""#, r"'/it'\''s'"),
            ("/\"\\", r#""/\"\\""#, r#"'/"\'"#),
            ("/${X}", r#""/$${X}""#, "'/${X}'"),
            ("/\n", r#""/\u000a""#, r#""/\n""#),
        ] {
            assert_eq!((yaml_text(path), shell_word(path)), (yaml.to_owned(), shell.to_owned()));
        }
    }
}
