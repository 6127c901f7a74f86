// SPDX-License-Identifier: Apache-2.0
//! One value for one file of a cgroup.

/// Written in the order of the plan; see the fields for what may go wrong without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The v1 hierarchy that has this controller; on v2 there is only one hierarchy.
    pub controller: String,
    pub file: String,
    pub value: String,
    /// The JSON pointer of the property behind it.
    pub place: String,
    pub stage: Stage,
    pub missing: Missing,
    pub invalid: Invalid,
}

/// When it must have been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before a process can join: an empty v1 cpuset admits nobody, a real-time task no cgroup without
    /// real-time bandwidth.
    Make,
    Limit,
}

/// What the absence of the file means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    Fatal,
    Skip,
    /// The kernel has it under another name, with another value.
    Instead {
        file: String,
        value: String,
    },
}

/// What EINVAL means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    Fatal,
    /// It may only clash with the old value of the file that comes next: try again after that one.
    Defer,
}

impl Write {
    pub(super) fn new(controller: &str, file: &str, value: impl ToString, place: impl Into<String>) -> Write {
        Write {
            controller: controller.to_owned(),
            file: file.to_owned(),
            value: value.to_string(),
            place: place.into(),
            stage: Stage::Limit,
            missing: Missing::Fatal,
            invalid: Invalid::Fatal,
        }
    }

    pub(super) fn before_join(mut self) -> Write {
        self.stage = Stage::Make;
        self
    }

    pub(super) fn skip_if_missing(mut self, skip: bool) -> Write {
        if skip {
            self.missing = Missing::Skip;
        }
        self
    }

    pub(super) fn or_else(mut self, file: &str, value: impl ToString) -> Write {
        self.missing = Missing::Instead { file: file.to_owned(), value: value.to_string() };
        self
    }

    /// `later`: a write follows that this one may have to wait for.
    pub(super) fn defer_if(mut self, later: bool) -> Write {
        if later {
            self.invalid = Invalid::Defer;
        }
        self
    }
}
