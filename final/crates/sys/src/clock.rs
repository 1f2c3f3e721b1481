//! The local time of a moment.

use std::mem::MaybeUninit;

use nix::libc;

/// A moment on this machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    /// 0 is Sunday.
    pub weekday: u32,
}

/// The local time of a moment in seconds since 1970, by `TZ` or `/etc/localtime`. `None` if it is beyond what a clock can show.
pub fn local(seconds: i64) -> Option<LocalTime> {
    let mut found = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both pointers are to values of this function, and localtime_r(3) keeps neither.
    let found = unsafe {
        if libc::localtime_r(&seconds, found.as_mut_ptr()).is_null() {
            return None;
        }
        found.assume_init()
    };
    let field = |value: libc::c_int| u32::try_from(value).ok();
    Some(LocalTime {
        year: i64::from(found.tm_year) + 1900,
        month: field(found.tm_mon)? + 1,
        day: field(found.tm_mday)?,
        hour: field(found.tm_hour)?,
        minute: field(found.tm_min)?,
        second: field(found.tm_sec)?,
        weekday: field(found.tm_wday)?,
    })
}

#[test]
fn the_local_time_has_the_seconds_of_every_zone() {
    // No zone of today is off by parts of a minute.
    let time = local(1_796_002_747).unwrap();
    assert_eq!((time.year, time.second), (2026, 7));
    assert!(time.month == 11 && (29..=30).contains(&time.day));
}
