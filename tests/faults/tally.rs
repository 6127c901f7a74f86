// SPDX-License-Identifier: Apache-2.0
//! What a sweep counts.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::is_tare;

/// What must never be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// There without `delete` where there should be nothing.
    Left,
    /// There after `delete --force`.
    Stays,
    Hung,
    Panicked,
    /// An error without a word.
    Silent,
    /// Success, and yet the container or the answer is not what it should be.
    Wrong,
    /// `delete --force`, `state` or `list` failed.
    Refused,
}

#[derive(Default)]
pub(crate) struct Tally {
    name: String,
    points: usize,
    succeeded: usize,
    /// The call at the place was another one: what comes before it is not the same every time.
    moved: usize,
    /// With the number of the point.
    bad: Vec<(Bad, usize, String)>,
    slowest: Duration,
    /// The longest that anything lived on after the end of its command.
    lived: Duration,
}

impl Tally {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn point(&mut self, succeeded: bool, took: Duration) {
        self.points += 1;
        self.succeeded += usize::from(succeeded);
        self.slowest = self.slowest.max(took);
    }

    pub(crate) fn moved(&mut self) {
        self.moved += 1;
    }

    pub(crate) fn lived(&mut self, time: Duration) {
        self.lived = self.lived.max(time);
    }

    pub(crate) fn bad(&mut self, kind: Bad, what: String) {
        println!("{}: {kind:?}: {what}", self.name);
        self.bad.push((kind, self.points, what));
    }

    /// Of the last point.
    pub(crate) fn is_bad_now(&self) -> bool {
        self.bad.last().is_some_and(|(_, point, _)| *point == self.points)
    }

    /// The line for docs/reliability.md; of tare it demands that there be nothing bad.
    #[track_caller]
    pub(crate) fn close(self) {
        let count = |kind| {
            let of_kind = self.bad.iter().filter(|(k, ..)| *k == kind);
            of_kind.map(|(_, point, _)| point).collect::<BTreeSet<_>>().len()
        };
        println!(
            "{}: {} points, {} succeeded, {} moved; left {}, after delete {}, hung {}, panicked {}, silent {}, wrong {}, refused {}; \
             slowest {:?}, gone after {:?}",
            self.name,
            self.points,
            self.succeeded,
            self.moved,
            count(Bad::Left),
            count(Bad::Stays),
            count(Bad::Hung),
            count(Bad::Panicked),
            count(Bad::Silent),
            count(Bad::Wrong),
            count(Bad::Refused),
            self.slowest,
            self.lived
        );
        if is_tare() {
            let lines: Vec<_> = self.bad.iter().map(|(kind, _, what)| format!("{kind:?}: {what}")).collect();
            assert!(self.bad.is_empty(), "{}:\n{}", self.name, lines.join("\n"));
            // All move when a cgroup hierarchy is mounted or goes between the first look and the points.
            assert!(self.points + self.moved > 0, "{}: no point was reached", self.name);
        }
    }
}
