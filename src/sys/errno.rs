//! Errno: what the numbers of Linux's errors mean where std has no kind for them.

use std::io;

/// Whether no descriptor is left in the system (ENFILE) or in this process (EMFILE).
pub fn is_out_of_descriptors(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(23 | 24))
}

/// Whether a call failed because the file system, the kernel or a sandbox does not offer it: EPERM, EINVAL, ENOSYS
/// or EOPNOTSUPP.
pub fn is_unsupported(cause: &io::Error) -> bool {
    matches!(cause.raw_os_error(), Some(1 | 22 | 38 | 95))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_offered_is_no_failure() {
        // EPERM, EINVAL, ENOSYS, EOPNOTSUPP; EIO, EPIPE, ENOSPC.
        for (codes, unsupported) in [(&[1, 22, 38, 95][..], true), (&[5, 32, 28], false)] {
            for code in codes {
                let cause = io::Error::from_raw_os_error(*code);
                assert_eq!(is_unsupported(&cause), unsupported, "{cause}");
            }
        }
    }
}
