// SPDX-License-Identifier: Apache-2.0
//! What security modules call the process after exec, told to the kernel through a procfs of our own: a
//! file of the image's in its place would start a container without its confinement (CVE-2019-16884).

use std::ffi::CStr;
use std::os::fd::AsFd;

use super::{Done, Init};
use crate::sys::fs::{self, O_WRONLY, Resolve};
use crate::sys::{Errno, Result};

impl Init<'_> {
    /// "exec PROFILE". Of the two files the first is AppArmor's own (Linux 5.8), the other that of
    /// whichever module is the machine's first.
    pub(super) fn set_apparmor_profile(&mut self, text: &CStr) -> Done {
        match self.write_attribute(c"thread-self/attr/apparmor/exec", text) {
            Err(Errno::ENOENT) => Ok(self.write_attribute(c"thread-self/attr/exec", text)?),
            result => Ok(result?),
        }
    }

    pub(super) fn set_selinux_label(&mut self, label: &CStr) -> Done {
        Ok(self.write_attribute(c"thread-self/attr/exec", label)?)
    }

    /// Of the keys that are made from now on; exec forgets it.
    pub(super) fn set_key_label(&mut self, label: &CStr) -> Done {
        Ok(self.write_attribute(c"thread-self/attr/keycreate", label)?)
    }

    fn write_attribute(&mut self, file: &CStr, text: &CStr) -> Result<()> {
        let file = fs::openat2(self.procfs()?, file, O_WRONLY, 0, Resolve::InRoot)?;
        fs::write_all(file.as_fd(), text.to_bytes())
    }
}
