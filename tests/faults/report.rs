// SPDX-License-Identifier: Apache-2.0
//! What a container is like, told by its own program: compared with what it is like when nothing goes wrong.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use crate::whole::patience;

/// The last line of a whole report.
pub(crate) const END: &str = "the end of the report";

/// As few programs as will do: a sweep makes thousands of reports. Who owns a device may be the host's affair.
pub(crate) fn script() -> String {
    format!(
        "cat /proc/self/status /proc/self/limits /proc/self/cgroup; echo ==mounts; cat /proc/self/mountinfo
echo ==rest; stat -c %N /proc/self/ns/*; stat -c '%n %F %a %t:%T' /dev /dev/*; stat -c '%n %F %a %u %g' /mnt /tmp
pwd; umask; ls /proc/self/fd
cat /proc/sys/kernel/hostname /proc/sys/net/ipv4/ip_forward /mnt/file /proc/self/environ; echo
for p in /proc/timer_list /proc/sys/kernel/hostname /mnt/file /x; do
    (: >>$p) 2>/dev/null && echo written: $p; done
echo {END}"
    )
}

/// One line for each fact, in order of their kind; the numbers that the kernel gives as it likes are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report(Vec<String>);

/// Of /proc/self/status.
const KEPT: [&str; 12] = [
    "Umask:",
    "Uid:",
    "Gid:",
    "Groups:",
    "SigBlk:",
    "SigIgn:",
    "CapInh:",
    "CapPrm:",
    "CapEff:",
    "CapBnd:",
    "CapAmb:",
    "NoNewPrivs:",
];

impl Report {
    /// None: it is not whole.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let text = text.split_once(&format!("{END}\n"))?.0;
        let (process, rest) = text.split_once("==mounts\n")?;
        let (mounts, rest) = rest.split_once("==rest\n")?;
        let is_kept = |line: &&str| {
            !line.contains('\t') || line.starts_with("Seccomp:") || KEPT.iter().any(|k| line.starts_with(k))
        };
        let own = own_namespaces();
        let rest = rest.lines().map(|line| match line.split_once(" -> ") {
            Some((link, to)) if own.contains(to.trim_matches('\'')) => format!("the host's {link}"),
            Some((link, _)) => format!("its own {link}"),
            None => line.to_owned(),
        });
        // Of a hierarchy that somebody mounts meanwhile every process is in the root.
        let is_root = |line: &&str| line.ends_with(":/") && !line.contains('\t');
        let process = process.lines().filter(is_kept).filter(|l| !is_root(l)).map(str::to_owned);
        // In the order in which they were made, which is not that in which they were attached.
        let mut mounts: Vec<_> = mounts.lines().map(mount).collect();
        mounts.sort();
        Some(Self(process.chain(mounts).chain(rest).collect()))
    }

    /// What the other has and this has not, and the other way round.
    pub(crate) fn differs(&self, other: &Self) -> Option<String> {
        let sets = [self, other].map(|r| r.0.iter().collect::<BTreeSet<_>>());
        let lines = |sign: &str, from: &BTreeSet<&String>, without: &BTreeSet<&String>| {
            from.difference(without).map(|l| format!("{sign}{l}")).collect::<Vec<_>>().join("; ")
        };
        (self != other).then(|| lines("+", &sets[0], &sets[1]) + " " + &lines("-", &sets[1], &sets[0]))
    }
}

/// The text once its last line has come: a program goes on when the command has returned.
pub(crate) fn whole(text: &impl Fn() -> String) -> String {
    let end = Instant::now() + patience();
    loop {
        let text = text();
        if text.contains(END) || Instant::now() > end {
            return text;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn own_namespaces() -> BTreeSet<String> {
    let links = fs::read_dir("/proc/self/ns").unwrap().flatten();
    links.filter_map(|l| Some(fs::read_link(l.path()).ok()?.to_str()?.to_owned())).collect()
}

/// Without ids and peer groups, the source and the first word of the file system's own options: by mount(2), where the new
/// calls do not serve, those have other values that mean the same.
fn mount(line: &str) -> String {
    let Some((mount, fs)) = line.split_once(" - ") else { return line.to_owned() };
    let words: Vec<_> = mount.split(' ').collect();
    let groups = words[6..].iter().map(|w| w.split(':').next().unwrap());
    let (kind, data) = (fs.split(' ').next().unwrap(), fs.split(' ').nth(2).unwrap_or_default());
    let data = data.trim_start_matches("ro").trim_start_matches("rw");
    format!("{} {} {} {:?} {kind} {data}", words[3], words[4], words[5], groups.collect::<Vec<_>>())
}
