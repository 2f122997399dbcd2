//! Calls: the few system calls that std links but does not offer; the only unsafe code of the program.
//!
//! Rules: one small safe function for each call, and a SAFETY note for each `unsafe` block. Numbers and layouts
//! are those that glibc and musl share on 64-bit Linux, except on the architectures that are refused below.
//!
//! Not here: which limits, signals or sizes are used; the callers decide that.

#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int, c_uint};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd as Fd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::null_mut;

#[cfg(any(target_arch = "mips64", target_arch = "sparc64"))]
compile_error!("sys/calls.rs does not know this architecture's numbers of signals and options");
#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("sys/calls.rs knows the system calls of 64-bit Linux only");

/// The open(2) flag that keeps a FIFO or device from blocking the open.
pub const O_NONBLOCK: i32 = 0o4000;
/// The open(2) flag for a file of ours whose time of last use is to stay.
pub const O_NOATIME: i32 = 0o1_000_000;
/// The open(2) flags that make, in a directory, a file without a name.
pub const O_TMPFILE: i32 = 0o20_000_000 | O_DIRECTORY;
/// What makes the close of a socket a reset (SO_LINGER 0), which no peer takes for an end of content.
pub const RESET: (c_int, c_int) = (1, 13);
/// What holds segments back that are not full (TCP_CORK).
pub const CORK: (c_int, c_int) = (6, 3);

const OTHER_FLAGS: bool = cfg!(any(target_arch = "aarch64", target_arch = "powerpc64"));
const O_DIRECTORY: i32 = if OTHER_FLAGS { 0o40_000 } else { 0o200_000 };
const SIGHUP: c_int = 1;
const SIGXFSZ: c_int = 25;
const SIG_BLOCK: c_int = 0;
const SIG_UNBLOCK: c_int = 1;
const SIG_DFL: usize = 0;
const SIG_IGN: usize = 1;
const RLIMIT_NOFILE: c_int = 7;
const AT_CWD: c_int = -100;
const AT_FOLLOW: c_int = 0x400;
const AT_EMPTY_PATH: c_int = 0x1000;
const PEEK_NOW: c_int = 0x42; // MSG_PEEK, MSG_DONTWAIT
const EPOLL_ADD: c_int = 1;
const EPOLL_REMOVE: c_int = 2;
const EPOLL_IN: u32 = 1;
const EPOLL_EXCLUSIVE: u32 = 1 << 28;
const POWERPC: bool = cfg!(target_arch = "powerpc64");
const SIOCOUTQ: Request = if POWERPC { 0x4004_7473 } else { 0x5411 };

/// The request of ioctl(2): the one type here in which the C libraries differ.
#[cfg(target_env = "musl")]
type Request = c_int;
#[cfg(not(target_env = "musl"))]
type Request = std::ffi::c_ulong;

/// `sigset_t`: 1,024 bits in both C libraries, signal 1 the lowest of the first word.
#[repr(C)]
struct SignalSet(u64, [u64; 15]);
const STOP: SignalSet = SignalSet(1 << 14 | 1 << 1 | 1, [0; 15]); // SIGTERM, 15; SIGINT, 2; SIGHUP, 1

/// `struct epoll_event`: the events, and the descriptor that was registered with them.
#[derive(Clone, Copy)]
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
struct Event(u32, u64);

unsafe extern "C" {
    fn sendfile(out: c_int, input: c_int, offset: *mut i64, count: usize) -> isize;
    fn recv(socket: c_int, out: *mut u8, count: usize, flags: c_int) -> isize;
    fn sigprocmask(how: c_int, set: *const SignalSet, old: *mut SignalSet) -> c_int;
    fn sigwait(set: *const SignalSet, signal: *mut c_int) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
    fn listen(socket: c_int, backlog: c_int) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_int, n: c_uint) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut u64) -> c_int;
    fn setrlimit(resource: c_int, limit: *const u64) -> c_int;
    fn statvfs(path: *const c_char, out: *mut u64) -> c_int;
    fn linkat(d: c_int, from: *const c_char, e: c_int, to: *const c_char, how: c_int) -> c_int;
    fn ioctl(fd: c_int, request: Request, ...) -> c_int;
    fn epoll_create1(flags: c_int) -> c_int;
    fn epoll_ctl(set: c_int, what: c_int, fd: c_int, event: *mut Event) -> c_int;
    fn epoll_wait(set: c_int, events: *mut Event, most: c_int, milliseconds: c_int) -> c_int;
    /// The number of processors that are online.
    pub safe fn get_nprocs() -> c_int;
    /// The effective user of this process.
    pub safe fn geteuid() -> c_uint;
}

/// The result of a call that returns -1 and sets errno on failure.
fn checked(result: c_int) -> io::Result<c_int> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(result),
    }
}

/// Sends at most `count` bytes of `file` from `offset` on to `socket` (sendfile(2)); how many, 0 at the end of the file.
pub fn send_file(socket: Fd<'_>, file: Fd<'_>, offset: u64, count: usize) -> io::Result<usize> {
    let mut at = i64::try_from(offset).map_err(io::Error::other)?;
    // SAFETY: both descriptors are open while borrowed; `at` outlives the call.
    let sent = unsafe { sendfile(socket.as_raw_fd(), file.as_raw_fd(), &mut at, count) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Blocks SIGTERM, SIGINT and SIGHUP in this thread and in those it spawns afterwards, and ignores SIGXFSZ, so
/// that a file over the size limit is a write error (EFBIG). A SIGHUP that is ignored (nohup(1)) stays so.
pub fn block_signals() -> io::Result<()> {
    // SAFETY: the sets outlive the calls; a null old set is allowed; SIG_IGN and SIG_DFL run no code of ours.
    unsafe {
        // SIGHUP too is blocked first, or it could end us in between; if it was ignored, it is not to be waited for.
        checked(sigprocmask(SIG_BLOCK, &STOP, null_mut()))?;
        if signal(SIGHUP, SIG_DFL) == SIG_IGN {
            signal(SIGHUP, SIG_IGN);
            checked(sigprocmask(SIG_UNBLOCK, &SignalSet(1, [0; 15]), null_mut()))?;
        }
        signal(SIGXFSZ, SIG_IGN);
    }
    Ok(())
}

/// Waits for a blocked SIGTERM, SIGINT or SIGHUP and returns its number.
pub fn wait_signal() -> i32 {
    let mut number = 0;
    // SAFETY: the set and `number` outlive the call, which fails for no set of existing signals.
    unsafe { sigwait(&STOP, &mut number) };
    number
}

/// Calls listen(2) again with another backlog (std's is 128); the kernel caps it at `somaxconn`.
pub fn set_backlog(socket: Fd<'_>, backlog: i32) -> io::Result<()> {
    // SAFETY: the descriptor is open while borrowed.
    checked(unsafe { listen(socket.as_raw_fd(), backlog) }).map(drop)
}

/// Sets an option of `socket`, `RESET` or `CORK`; `on` false undoes it.
pub fn set(socket: Fd<'_>, (level, name): (c_int, c_int), on: bool) -> io::Result<()> {
    let (value, fd) = ([c_int::from(on), 0], socket.as_raw_fd());
    // SAFETY: `value` has the 8 bytes of `struct linger`, of which the first 4 are an `int`, and outlives the call.
    checked(unsafe { setsockopt(fd, level, name, value.as_ptr(), 8) }).map(drop)
}

/// Raises the soft limit on open descriptors to the hard one if possible; the limit that is in force then.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = [0; 2];
    // SAFETY: `limit` has the layout of `struct rlimit`, soft and hard, and outlives the call.
    checked(unsafe { getrlimit(RLIMIT_NOFILE, limit.as_mut_ptr()) })?;
    let [soft, hard] = limit;
    // SAFETY: as above.
    Ok(checked(unsafe { setrlimit(RLIMIT_NOFILE, [hard; 2].as_ptr()) }).map_or(soft, |_| hard))
}

/// The bytes that others than root can still use on the file system of `dir`, and those it has in all (0: not said).
pub fn space(dir: &Path) -> io::Result<(u64, u64)> {
    let path = CString::new(dir.as_os_str().as_bytes())?;
    let mut out = [0_u64; 32];
    // SAFETY: `path` ends in NUL; `out` is larger than the 112 bytes of `struct statvfs`; both outlive the call.
    checked(unsafe { statvfs(path.as_ptr(), out.as_mut_ptr()) })?;
    let [_block, fragment, blocks, _free, available, ..] = out;
    let bytes = [available, blocks].map(|count| count.saturating_mul(fragment));
    Ok(bytes.into())
}

/// Gives an open file without a name the name `to`, if that is free. Linux before 6.10 lets only the privileged name the
/// descriptor itself; for others the way leads through /proc.
pub fn link(file: Fd<'_>, to: &Path) -> io::Result<()> {
    let fd = file.as_raw_fd();
    let by_path = |_| link_at(AT_CWD, &format!("/proc/self/fd/{fd}"), to, AT_FOLLOW);
    link_at(fd, "", to, AT_EMPTY_PATH).or_else(by_path)
}

/// Gives what lies at `from`, seen from the directory or file `at`, the name `to` too (linkat(2)).
fn link_at(at: c_int, from: &str, to: &Path, how: c_int) -> io::Result<()> {
    let to = CString::new(to.as_os_str().as_bytes())?;
    let from = CString::new(from)?;
    // SAFETY: both texts end in NUL and outlive the call.
    checked(unsafe { linkat(at, from.as_ptr(), AT_CWD, to.as_ptr(), how) }).map(drop)
}

/// How many bytes wait to be read from a socket, 1 at most, without waiting and without reading it; 0 at the end.
pub fn peek(socket: Fd<'_>) -> io::Result<usize> {
    let mut byte = 0;
    // SAFETY: the descriptor is open while borrowed; `byte` has room for the one byte and outlives the call.
    let count = unsafe { recv(socket.as_raw_fd(), &raw mut byte, 1, PEEK_NOW) };
    usize::try_from(count).map_err(|_| io::Error::last_os_error())
}

/// Bytes in the send queue of a TCP socket that the peer has not acknowledged (SIOCOUTQ).
pub fn unsent(socket: Fd<'_>) -> io::Result<u64> {
    let mut count: c_int = 0;
    // SAFETY: SIOCOUTQ writes one int, which outlives the call.
    checked(unsafe { ioctl(socket.as_raw_fd(), SIOCOUTQ, &raw mut count) })?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// A set of sockets of which any can be waited for (epoll(7)). A socket that is closed leaves it by itself.
#[derive(Debug)]
pub struct Poll(OwnedFd);

impl Poll {
    /// An empty set, which a program that we start does not inherit (EPOLL_CLOEXEC).
    pub fn new() -> io::Result<Self> {
        // SAFETY: a new descriptor belongs to nobody else.
        unsafe { checked(epoll_create1(0o2_000_000)).map(|fd| Self(OwnedFd::from_raw_fd(fd))) }
    }

    /// Adds a socket. An event of a `shared` one, which is in several sets, wakes one or few of them (EPOLLEXCLUSIVE).
    pub fn add(&self, socket: Fd<'_>, shared: bool) -> io::Result<()> {
        self.control(EPOLL_ADD, socket, if shared { EPOLL_EXCLUSIVE } else { 0 })
    }

    /// Takes a socket out.
    pub fn remove(&self, socket: Fd<'_>) -> io::Result<()> {
        self.control(EPOLL_REMOVE, socket, 0)
    }

    fn control(&self, what: c_int, socket: Fd<'_>, how: u32) -> io::Result<()> {
        let fd = socket.as_raw_fd();
        let mut event = Event(EPOLL_IN | how, u64::try_from(fd).unwrap_or_default());
        // SAFETY: both descriptors are open while borrowed; `event` outlives the call.
        checked(unsafe { epoll_ctl(self.0.as_raw_fd(), what, fd, &mut event) }).map(drop)
    }

    /// Waits until sockets can be read or `milliseconds` are over (-1: no limit). Returns up to 64 of those that can.
    pub fn wait(&self, milliseconds: i32) -> io::Result<impl Iterator<Item = RawFd> + use<>> {
        let mut events = [Event(0, 0); 64];
        let (set, all) = (self.0.as_raw_fd(), events.as_mut_ptr());
        // SAFETY: `all` points to the whole array, which has room for 64 of them and outlives the call.
        let wait = unsafe { epoll_wait(set, all, 64, milliseconds) };
        let count = usize::try_from(checked(wait)?).unwrap_or_default();
        let descriptor = |Event(_, fd)| RawFd::try_from(fd).unwrap_or(-1);
        Ok(events.into_iter().take(count).map(descriptor))
    }
}

#[cfg(test)]
mod tests;
