//! Ranges of ids: what is left of a pool when others have taken theirs.

use crate::rootless::IdRange as Range;

/// The parts of `pool` that are in none of `taken`, sorted.
pub(crate) fn free(pool: &[Range], taken: &[Range]) -> Vec<Range> {
    let mut taken = taken.to_vec();
    taken.sort_unstable();
    let mut free = Vec::new();
    for whole in pool {
        let mut start = u64::from(whole.start);
        for other in taken.iter().filter(|other| other.overlaps(*whole)) {
            push(&mut free, start, u64::from(other.start));
            start = start.max(other.end());
        }
        push(&mut free, start, whole.end());
    }
    free.sort_unstable();
    free
}

fn push(free: &mut Vec<Range>, start: u64, end: u64) {
    if let (Ok(first), Some(count)) =
        (u32::try_from(start), end.checked_sub(start).filter(|count| *count > 0))
    {
        free.push(Range { start: first, count: u32::try_from(count).unwrap_or(u32::MAX) });
    }
}

/// The first `size` ids in a row.
pub(crate) fn first_fit(free: &[Range], size: u32) -> Option<Range> {
    let fitting = free.iter().find(|range| range.count >= size)?;
    Some(Range { start: fitting.start, count: size })
}

/// The last `size` ids in a row.
pub(crate) fn last_fit(free: &[Range], size: u32) -> Option<Range> {
    let fitting = free.iter().rev().find(|range| range.count >= size)?;
    Some(Range { start: fitting.start + (fitting.count - size), count: size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u32, count: u32) -> Range {
        Range { start, count }
    }

    #[test]
    fn a_hole_is_filled_before_the_end() {
        let pool = [range(100, 100)];
        let taken = [range(120, 10), range(100, 10)];
        assert_eq!(free(&pool, &taken), [range(110, 10), range(130, 70)]);
        assert_eq!(first_fit(&free(&pool, &taken), 10), Some(range(110, 10)));
        assert_eq!(first_fit(&free(&pool, &taken), 11), Some(range(130, 11)));
        assert_eq!(first_fit(&free(&pool, &taken), 71), None);
        assert_eq!(last_fit(&free(&pool, &taken), 10), Some(range(190, 10)));
        assert_eq!(last_fit(&free(&pool, &taken), 71), None);
        assert_eq!(free(&pool, &[range(0, u32::MAX)]), []);
        assert_eq!(free(&[range(u32::MAX - 5, 5)], &[]), [range(u32::MAX - 5, 5)]);
    }

    #[test]
    fn what_is_free_is_in_the_pool_and_overlaps_nothing() {
        let ranges = |starts: [u32; 3], count| starts.map(|start| range(start, count));
        for (step, count) in [(7, 5), (11, 30), (40, 60)] {
            let pool = ranges([0, 90, 95], 50);
            let taken = ranges([step, 2 * step, 3 * step], count);
            let free = free(&pool, &taken);
            for id in 0..200 {
                let has = |list: &[Range]| list.iter().any(|one| one.overlaps(range(id, 1)));
                assert_eq!(has(&free), has(&pool) && !has(&taken), "{id} {step} {count}");
            }
        }
    }
}
