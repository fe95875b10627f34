//! Compares `falconer.outputs.retain` with the memory limits of the system.
//!
//! A process beyond its limit is killed (cgroup, machine), slowed down almost to a halt (the
//! cgroup's `memory.high`) or aborted at the next allocation (`ulimit`). The log is the only part
//! whose size is a setting, so this check runs before anything is retained:
//!
//! 1. The limits are those of the process's cgroup and each above it (version 1 and 2), `ulimit -v`
//!    and `-d`, and the machine's memory. The one that leaves the least for the log counts.
//! 2. `retain` and [`Kind::besides`] should fit into it. An explicit `retain` is used even if they
//!    do not, with a warning that has the numbers.
//! 3. The default of `retain` is at most a quarter of the limit.
//!
//! [`limit`] asks the system; the rest is pure.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};

use super::own::MIN_RETAIN;

/// The usual memory of the program besides the log, in bytes: its code, bodies, answers, filters
/// and readers. Their maximum is higher (`docs/security.md`), but would warn in every small
/// container.
const BESIDES: u64 = 96 << 20;

/// The address space, in bytes, that threads reserve and never use, 64 MiB each for the first few
/// threads, and the program's code.
const RESERVED: u64 = 256 << 20;

/// Values from here on mean "no limit". Cgroup version 1 has no word for that.
const NO_LIMIT: u64 = 1 << 62;

/// A memory limit of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) kind: Kind,
    pub(super) bytes: u64,
}

/// The origin of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A cgroup; the file with the limit.
    Cgroup(PathBuf),
    /// `ulimit -v`: the address space, used or not.
    Addresses,
    /// `ulimit -d`.
    Data,
    /// The memory of the machine.
    Machine,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgroup(file) => {
                let file = super::place::escaped(&file.to_string_lossy());
                write!(formatter, "the cgroup's memory limit ({file})")
            }
            Self::Addresses => formatter.write_str("ulimit -v"),
            Self::Data => formatter.write_str("ulimit -d"),
            Self::Machine => formatter.write_str("this machine's memory"),
        }
    }
}

impl Kind {
    /// Returns what happens to a process beyond the limit.
    fn fate(&self) -> &'static str {
        match self {
            Self::Cgroup(file) if file.ends_with("memory.high") => "slowed down to a halt",
            Self::Cgroup(_) | Self::Machine => "killed",
            Self::Addresses | Self::Data => "aborted",
        }
    }

    /// Returns the memory that the process takes besides the log, in bytes.
    fn besides(&self) -> u64 {
        match self {
            Self::Addresses => BESIDES + RESERVED,
            Self::Cgroup(_) | Self::Data | Self::Machine => BESIDES,
        }
    }
}

impl Limit {
    /// Returns what the limit leaves for the log, in bytes.
    fn room(&self) -> u64 {
        self.bytes.saturating_sub(self.kind.besides())
    }

    /// Returns the default of `retain` under this limit, in bytes.
    pub(super) fn bound(&self, default: u64) -> u64 {
        default.min(self.bytes / 4).max(MIN_RETAIN)
    }

    /// Returns the warning for a `retain` that does not fit.
    pub(super) fn warning(&self, retain: u64) -> Option<String> {
        let Self { kind, bytes } = self;
        if retain <= self.room() {
            return None;
        }
        let (limit, besides) = (Size(*bytes), Size(kind.besides()));
        let most = Size(self.room().max(self.bound(u64::MAX)));
        Some(format!(
            "falconer.outputs.retain is {retain}, but {kind} is {limit} and the rest of the \
             process can take {besides}; beyond the limit the process is {fate}; write {most} or \
             less, or raise the limit",
            retain = Size(retain),
            fate = kind.fate(),
        ))
    }
}

/// Displays bytes in the largest unit that divides them. Without one it rounds down, in the largest
/// unit that gives a number of 10 or more.
pub(super) struct Size(pub(super) u64);

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = *self;
        let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
        let exact =
            units.iter().find(|(shift, _)| bytes >= 1 << shift && bytes % (1 << shift) == 0);
        let (shift, unit) = exact
            .or_else(|| units.iter().find(|(shift, _)| bytes >= 10 << shift))
            .copied()
            .unwrap_or((0, " bytes"));
        write!(formatter, "{}{unit}", bytes >> shift)
    }
}

/// Returns the limit that leaves the least for the log; `None` if the system has no limit.
pub(super) fn limit() -> Option<Limit> {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut limits: Vec<_> = folders(&text("/proc/self/cgroup"), &text("/proc/self/mountinfo"))
        .iter()
        .flat_map(Folder::limits)
        .collect();
    for (resource, kind) in
        [(Resource::RLIMIT_AS, Kind::Addresses), (Resource::RLIMIT_DATA, Kind::Data)]
    {
        if let Ok((soft, _)) = getrlimit(resource)
            && soft != RLIM_INFINITY
        {
            limits.push(Limit { kind, bytes: soft });
        }
    }
    limits.extend(machine(&text("/proc/meminfo")));
    limits.into_iter().min_by_key(Limit::room)
}

/// The folder of a cgroup, and the topmost folder of its hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    top: PathBuf,
    /// The names of the files with limits.
    files: &'static [&'static str],
}

impl Folder {
    /// Returns the limits of the cgroup and of those above it.
    fn limits(&self) -> Vec<Limit> {
        let folders = self.path.ancestors().take_while(|folder| folder.starts_with(&self.top));
        let files = folders.flat_map(|folder| self.files.iter().map(|name| folder.join(name)));
        let limit = |file: PathBuf| {
            // "max" means no limit, and does not parse.
            let bytes = fs::read_to_string(&file).ok()?.trim().parse().ok()?;
            (bytes < NO_LIMIT).then_some(Limit { kind: Kind::Cgroup(file), bytes })
        };
        files.filter_map(limit).collect()
    }
}

/// Returns the folders of the process's cgroups that limit memory, from `/proc/self/cgroup` and
/// `mountinfo`. If both cgroup versions are mounted there can be two.
fn folders(cgroup: &str, mountinfo: &str) -> Vec<Folder> {
    let of_line = |line: &str| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let second = controllers.is_empty();
        if !second && !controllers.split(',').any(|name| name == "memory") {
            return None;
        }
        let (root, top) = mountinfo.lines().find_map(|line| mounted(line, second))?;
        // In some containers the cgroup is not below the mounted folder. Then that folder is ours.
        let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
        let inside = below.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let files: &[_] =
            if second { &["memory.max", "memory.high"] } else { &["memory.limit_in_bytes"] };
        Some(Folder { path: if inside { top.join(below) } else { top.clone() }, top, files })
    };
    cgroup.lines().filter_map(of_line).collect()
}

/// Returns the mounted part of the hierarchy and its mount point, if this line of `mountinfo`
/// describes one.
fn mounted(line: &str, second: bool) -> Option<(PathBuf, PathBuf)> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let (name, options) = (kind.next()?, kind.nth(1).unwrap_or_default());
    let memory = || options.split(',').any(|option| option == "memory");
    if !(second && name == "cgroup2" || !second && name == "cgroup" && memory()) {
        return None;
    }
    let mut fields = mount.split(' ').skip(3).map(unescaped);
    Some((fields.next()?, fields.next()?))
}

/// Decodes a path in `mountinfo`, in which a space is `\040`.
fn unescaped(path: &str) -> PathBuf {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\").into()
}

fn machine(meminfo: &str) -> Option<Limit> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(Limit { kind: Kind::Machine, bytes: kib.saturating_mul(1 << 10) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn limit(kind: Kind, mib: u64) -> Limit {
        Limit { kind, bytes: mib * MIB }
    }

    #[test]
    fn retain_is_compared_with_the_limit() {
        let machine = |mib| limit(Kind::Machine, mib);
        assert_eq!(machine(160).warning(64 * MIB), None);
        let warning = machine(159).warning(64 * MIB).unwrap();
        for part in ["retain is 64MiB", "memory is 159MiB", "96MiB", "write 63MiB or less"] {
            assert!(warning.contains(part), "{warning}");
        }
        assert!(machine(8).warning(64 * MIB).unwrap().contains("write 2MiB or less"));
        assert!(limit(Kind::Addresses, 400).warning(64 * MIB).unwrap().contains("ulimit -v is"));
        assert_eq!(limit(Kind::Data, 400).warning(64 * MIB), None);
        for (mib, bound) in [(4096, 64), (256, 64), (128, 32), (2, 1), (0, 1)] {
            assert_eq!(machine(mib).bound(64 * MIB), bound * MIB, "{mib}");
        }
        for (bytes, text) in [(1 << 30, "1GiB"), (1 << 40, "1024GiB"), (3 * MIB / 2, "1536KiB")] {
            assert_eq!(Size(bytes).to_string(), text);
        }
        assert_eq!(Size(100 * MIB + 1).to_string(), "100MiB");
        assert_eq!(Size(0).to_string(), "0 bytes");
    }

    #[test]
    fn cgroups_of_both_versions_are_found() {
        let both = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                    35 31 0:32 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                    36 31 0:33 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                    41 31 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        let folder = |path: &str, top: &str, second| Folder {
            path: path.into(),
            top: top.into(),
            files: if second { &["memory.max", "memory.high"] } else { &["memory.limit_in_bytes"] },
        };
        assert_eq!(
            folders("5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/c\n", both),
            [
                folder("/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/memory", false),
                folder("/sys/fs/cgroup/unified/c", "/sys/fs/cgroup/unified", true),
            ]
        );
        // Containers, with and without a cgroup namespace of their own.
        let of = |root: &str| format!("1 2 0:3 {root} /sys/my\\040fs ro - cgroup2 cgroup rw\n");
        for (root, group) in [("/", "/"), ("/docker/1", "/docker/1"), ("/", "/../../x")] {
            let found = folders(&format!("0::{group}\n"), &of(root));
            assert_eq!(found, [folder("/sys/my fs", "/sys/my fs", true)], "{root} {group}");
        }
        assert_eq!(folders("0::/a\n", ""), []);
        assert_eq!(folders("nonsense\n", both), []);
    }

    #[test]
    fn the_limits_of_all_cgroups_above_count() {
        let dir = tempfile::tempdir().unwrap();
        let (top, below) = (dir.path().join("top"), dir.path().join("top/a/b"));
        fs::create_dir_all(&below).unwrap();
        let write = |folder: &str, file: &str, text: &str| {
            fs::write(top.join(folder).join(file), text).unwrap();
        };
        write("a/b", "memory.max", "max\n");
        write("a/b", "memory.high", "300\n");
        write("a", "memory.max", "200\n");
        write("", "memory.max", "9223372036854771712\n");
        fs::write(dir.path().join("memory.max"), "1\n").unwrap();
        let files = &["memory.max", "memory.high"];
        let limits = Folder { path: below, top, files }.limits();
        assert_eq!(limits.iter().map(|limit| limit.bytes).collect::<Vec<_>>(), [300, 200]);
        assert_eq!(machine("MemFree: 1 kB\nMemTotal:   2 kB\n").unwrap().bytes, 2048);
    }
}
