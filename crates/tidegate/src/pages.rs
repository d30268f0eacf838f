//! The size of the pages that the system gives this process.

use std::io;

use rustix::thread::{disable_transparent_huge_pages, transparent_huge_pages_are_disabled};
use tracing::info;

/// Of `linux/prctl.h`: huge pages stay where the program advised them. Since Linux 6.18.
const PR_THP_DISABLE_EXCEPT_ADVISED: libc::c_ulong = 1 << 1;
/// What the system does by itself.
const POLICY: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

/// Turns huge pages off but for memory that is known to be used as a whole, which `storage` advises.
///
/// Elsewhere they would be resident for the few kilobytes of them that are used: an idle broker
/// takes about half the memory without them.
pub(crate) fn use_small() {
    if let Err(error) = choose() {
        info!(%error, "huge pages stay as they are");
    }
}

fn choose() -> io::Result<()> {
    // The allocator turned them off before `main` if it was built to, by `.cargo/config.toml`. One
    // that was not advises them for whatever it has, so that none may be given at all.
    if !transparent_huge_pages_are_disabled()? {
        return Ok(disable_transparent_huge_pages(true)?);
    }
    if except_advised().is_err() && is_only_on_advice() {
        disable_transparent_huge_pages(false)?;
    }
    Ok(())
}

fn except_advised() -> io::Result<()> {
    let (none, yes): (libc::c_ulong, libc::c_ulong) = (0, 1);
    let option = libc::PR_SET_THP_DISABLE;
    #[expect(unsafe_code, reason = "no safe function passes the flag")]
    // SAFETY: no argument of this option is a pointer.
    let set = unsafe { libc::prctl(option, yes, PR_THP_DISABLE_EXCEPT_ADVISED, none, none) };
    if set == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

fn is_only_on_advice() -> bool {
    let policy = std::fs::read_to_string(POLICY).unwrap_or_default();
    policy.contains("[madvise]") || policy.contains("[never]")
}
