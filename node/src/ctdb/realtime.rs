//! Real-time scheduling, as ctdbd has it: on a busy host a node must not look dead because nobody
//! lets it speak.

use nix::errno::Errno;
use nix::libc;

/// The least urgent of what is more urgent than all that is not real-time.
const PRIORITY: libc::c_int = 1;

/// This thread comes before whatever on this host is not real-time itself (`SCHED_FIFO`). The
/// threads and processes that it starts from here on are scheduled as any other.
///
/// # Errors
/// `EPERM` without `CAP_SYS_NICE`, or where the control group has no real-time share.
pub(super) fn claim() -> Result<(), Errno> {
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    // The C library's call does nothing where that library is musl.
    // SAFETY: the kernel reads the parameters during the call, and 0 is this thread.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const parameters) };
    Errno::result(result).map(drop)
}
