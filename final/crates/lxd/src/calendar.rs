//! Dates: when a snapshot expires, and when a schedule was due last.

use crate::schedule::{self, values};

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// How far back [`due_since`] looks. The rarest schedules are those of 29 February, which are due every four years.
const MOST_DAYS: i64 = 366 * 4 + 1;

/// What expires later than this never does. The calculation is not made for numbers of any size.
const LAST_YEAR: i64 = 1_000_000;

/// A moment on a clock of some time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    pub minute: u64,
    pub hour: u64,
    pub day: u64,
    /// 1 to 12.
    pub month: u64,
    /// 0 is Sunday.
    pub weekday: u64,
}

/// When something that was made at `from` expires. Both times are seconds since 1970. `None` means never.
pub fn expires(from: i64, expiry: &[(u64, char)]) -> Option<i64> {
    if expiry.is_empty() {
        return None;
    }
    let sum = |unit: char| -> i64 {
        let numbers = expiry.iter().filter(|(_, found)| *found == unit).map(|(number, _)| *number);
        i64::try_from(numbers.fold(0, u64::saturating_add)).unwrap_or(i64::MAX)
    };
    // Months and years are added to the date first. A day beyond the end of its month runs into the next month.
    let (year, month, day) = date(from.div_euclid(DAY));
    let months = (month - 1).checked_add(sum('m'))?.checked_add(sum('y').checked_mul(12)?)?;
    let year = year.checked_add(months.div_euclid(12)).filter(|year| *year <= LAST_YEAR)?;
    let day_number = day_number(year, months.rem_euclid(12) + 1, day);
    let units = [('S', 1), ('M', MINUTE), ('H', HOUR), ('d', DAY), ('w', 7 * DAY)];
    units
        .iter()
        .try_fold(day_number.checked_mul(DAY)?.checked_add(from.rem_euclid(DAY))?, |at, (unit, length)| {
            at.checked_add(sum(*unit).checked_mul(*length)?)
        })
}

/// Whether a schedule (see [`schedule::check`]) was due after `since` and not after `now`, both in seconds since 1970. `clock`
/// gives the local time of a moment. `@startup` and `@never` are due at no time.
pub fn due_since(text: &str, since: i64, now: i64, clock: impl Fn(i64) -> Clock) -> bool {
    let crons: Vec<Cron> = match text.split_whitespace().count() {
        5 => Cron::parse(text).into_iter().collect(),
        _ => text.split(',').filter_map(|alias| Cron::parse(expression(alias.trim())?)).collect(),
    };
    let mut at = now - now.rem_euclid(MINUTE);
    let earliest = since.max(now.saturating_sub(MOST_DAYS * DAY));
    while at > earliest {
        let local = clock(at);
        let of_day = crons.iter().filter(|cron| cron.fits_day(&local)).collect::<Vec<_>>();
        if of_day.iter().any(|cron| cron.minutes.contains(&local.minute) && cron.hours.contains(&local.hour))
        {
            return true;
        }
        // If nothing in this day, or in this hour, is due, the loop goes on with the last minute of the one before.
        let of_hour = MINUTE * (local.minute as i64 + 1);
        let to_day = Some(of_hour + HOUR * local.hour as i64).filter(|_| of_day.is_empty());
        let is_hour = of_day.iter().any(|cron| cron.hours.contains(&local.hour));
        let to_hour = Some(of_hour).filter(|_| !is_hour);
        // A clock that was changed meanwhile shows another time there. Then the step is a smaller one.
        let is_last = |step: &i64, hour: Option<u64>| {
            let there = clock(at - step);
            there.minute == 59 && hour.is_none_or(|hour| there.hour == hour)
        };
        let step = to_day.filter(|step| is_last(step, Some(23)));
        at -= step.or(to_hour.filter(|step| is_last(step, None))).unwrap_or(MINUTE);
    }
    false
}

/// The five fields that an alias stands for.
fn expression(alias: &str) -> Option<&'static str> {
    Some(match alias {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@annually" | "@yearly" => "0 0 1 1 *",
        _ => return None,
    })
}

/// Whether a schedule asks for a snapshot at each start.
pub fn is_at_startup(text: &str) -> bool {
    text.split(',').any(|alias| alias.trim() == "@startup")
}

struct Cron {
    minutes: Vec<u64>,
    hours: Vec<u64>,
    days: Vec<u64>,
    months: Vec<u64>,
    weekdays: Vec<u64>,
    /// Whether a day has to fit only one of the two kinds, because both are restricted (crontab(5)).
    either_day: bool,
}

impl Cron {
    fn parse(text: &str) -> Option<Self> {
        schedule::check(text).ok()?;
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return None };
        Some(Self {
            minutes: values(minutes, 0, 59)?,
            hours: values(hours, 0, 23)?,
            days: values(days, 1, 31)?,
            months: values(months, 1, 12)?,
            // 7 is Sunday, too.
            weekdays: values(weekdays, 0, 7)?.into_iter().map(|day| day % 7).collect(),
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        })
    }

    fn fits_day(&self, clock: &Clock) -> bool {
        let (day, weekday) = (self.days.contains(&clock.day), self.weekdays.contains(&clock.weekday));
        let fits = if self.either_day { day || weekday } else { day && weekday };
        fits && self.months.contains(&clock.month)
    }
}

/// Year, month (1 to 12) and day of the month of a day since 1970, in the Gregorian calendar. The calculation lets a year
/// begin in March, so that the day which leap years add is its last one.
pub fn date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30 01:39:00 UTC, a Monday.
    const NOW: i64 = 1_796_002_740;

    fn utc(at: i64) -> Clock {
        let (_, month, day) = date(at.div_euclid(DAY));
        Clock {
            minute: (at.rem_euclid(HOUR) / MINUTE) as u64,
            hour: (at.rem_euclid(DAY) / HOUR) as u64,
            day: day as u64,
            month: month as u64,
            weekday: (at.div_euclid(DAY) + 4).rem_euclid(7) as u64,
        }
    }

    #[test]
    fn dates_and_day_numbers_agree() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(NOW / DAY), (2026, 11, 30));
        for day in (-200_000..200_000).step_by(37) {
            let (year, month, of_month) = date(day);
            assert_eq!(day_number(year, month, of_month), day);
        }
    }

    #[test]
    fn an_expiry_adds_calendar_units_and_lengths() {
        assert_eq!(expires(NOW, &[]), None);
        assert_eq!(expires(NOW, &[(1, 'd'), (2, 'H')]), Some(NOW + DAY + 2 * HOUR));
        let (year, month, day) = date(expires(NOW, &[(1, 'y'), (3, 'm')]).unwrap() / DAY);
        // 30 February runs into March.
        assert_eq!((year, month, day), (2028, 3, 1));
        for unit in ['S', 'M', 'H', 'd', 'w', 'm', 'y'] {
            for number in [u64::MAX, i64::MAX as u64, 1 << 60, 1 << 40] {
                // In a year that a calendar has, or never.
                let at = expires(NOW, &[(number, unit)]);
                assert!(at.is_none_or(|at| at > NOW), "{number} {unit}: {at:?}");
            }
        }
    }

    #[test]
    fn a_changed_clock_hides_no_time() {
        // From 02:00 on 30 November on the clock is an hour ahead: 01:59 is followed by 03:00. Before, it is UTC.
        let change = NOW - NOW.rem_euclid(DAY) + 2 * HOUR;
        let ahead = |at: i64| utc(if at >= change { at + HOUR } else { at });
        let behind = |at: i64| utc(if at >= change { at - HOUR } else { at });
        let noon = change + 10 * HOUR;
        for (text, at) in [("30 23 29 11 *", change - 150 * MINUTE), ("59 23 29 11 *", change - 121 * MINUTE)]
        {
            for clock in [&ahead as &dyn Fn(i64) -> Clock, &behind] {
                assert!(due_since(text, at - 1, noon, clock), "{text}");
                assert!(!due_since(text, at, noon, clock), "{text}");
            }
        }
        // Half an hour, as on Lord Howe Island.
        let half = |at: i64| utc(if at >= change { at + HOUR / 2 } else { at });
        assert!(due_since("45 1 30 11 *", change - HOUR, change + 20 * MINUTE, half));
    }

    #[test]
    fn a_schedule_was_due_or_not() {
        let due = |text: &str, since: i64| due_since(text, since, NOW, utc);
        assert!(due("@daily", NOW - 2 * HOUR) && !due("@daily", NOW - HOUR));
        assert!(due("@hourly", NOW - HOUR) && !due("@hourly", NOW - 30 * MINUTE));
        assert!(due("39 1 * * *", NOW - MINUTE) && !due("40 1 * * *", NOW - HOUR));
        assert!(due("@yearly", NOW - 340 * DAY) && !due("@yearly", NOW - 300 * DAY));
        assert!(due("@never, @hourly", NOW - DAY) && !due("@startup", NOW - DAY));
        // 30 November is no Sunday.
        assert!(due("0 0 30 * 0", NOW - 2 * HOUR) && !due("0 0 * * 0", NOW - 2 * HOUR));
        assert!(due("0 0 * * 7", NOW - 2 * DAY));
    }
}
