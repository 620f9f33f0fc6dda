//! Sets and shards by number and by share: how many shards there are, and who gets how much.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The most shards of a set: the largest number that five digits hold.
pub(super) const MAX_SHARDS: usize = 99_999;

/// Into how many shards a set goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShardCount {
    /// This many for each set.
    Each(usize),
    /// By set name.
    BySet(BTreeMap<String, usize>),
    /// As many as make shards of about this many bytes (the default, with 256 MiB).
    OfBytes(u64),
}

impl Default for ShardCount {
    fn default() -> Self {
        ShardCount::OfBytes(256 << 20)
    }
}

impl ShardCount {
    /// How many shards a set of so many records and bytes gets.
    pub(crate) fn of(&self, name: &str, records: usize, bytes: u64) -> usize {
        match self {
            ShardCount::Each(n) => *n,
            ShardCount::BySet(counts) => counts.get(name).copied().unwrap_or(1),
            ShardCount::OfBytes(size) => {
                let most = records.clamp(1, MAX_SHARDS) as u64;
                bytes.div_ceil((*size).max(1)).clamp(1, most) as usize
            }
        }
    }

    /// An error where a set cannot have so many shards, or shards are asked for one that is not among `names`.
    pub(crate) fn check(&self, names: &[&str]) -> Result<()> {
        let counts: Vec<usize> = match self {
            ShardCount::Each(n) => vec![*n],
            ShardCount::BySet(counts) => counts.values().copied().collect(),
            ShardCount::OfBytes(_) => Vec::new(),
        };
        if let Some(bad) = counts.into_iter().find(|n| !(1..=MAX_SHARDS).contains(n)) {
            return Err(Error::usage(format!("a set has from 1 to {MAX_SHARDS} shards, not {bad}")));
        }
        let ShardCount::BySet(counts) = self else { return Ok(()) };
        match counts.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(unknown) => Err(Error::usage_hint(
                format!("shards are asked for the set '{unknown}', which there is not"),
                format!("the sets are: {}", names.join(", ")),
            )),
        }
    }
}

impl FromStr for ShardCount {
    type Err = String;

    /// `8`, or `train=8,val=1`.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let count = |n: &str| match n.trim().parse::<usize>() {
            Ok(n) if (1..=MAX_SHARDS).contains(&n) => Ok(n),
            _ => Err(format!("'{n}' is no number of shards (1 to {MAX_SHARDS})")),
        };
        if !s.contains('=') {
            return Ok(ShardCount::Each(count(s)?));
        }
        let pairs = s.split(',').map(|pair| {
            let (name, n) = pair.split_once('=').ok_or_else(|| format!("'{pair}' is not NAME=COUNT"))?;
            Ok((name.trim().to_owned(), count(n)?))
        });
        Ok(ShardCount::BySet(pairs.collect::<Result<_, String>>()?))
    }
}

/// Reads `train=0.8,val=0.1,test=0.1`: shares above 0 that add up to 1.
pub fn parse_split(s: &str) -> Result<Vec<(String, f64)>, String> {
    let mut shares = Vec::new();
    for pair in s.split(',') {
        let (name, share) = pair.split_once('=').ok_or_else(|| format!("'{pair}' is not NAME=SHARE"))?;
        let share: f64 = share.trim().parse().map_err(|_| format!("'{share}' is no number"))?;
        shares.push((name.trim().to_owned(), share));
    }
    check_split(&shares)?;
    Ok(shares)
}

/// What is wrong with sets and their shares.
pub(crate) fn check_split(shares: &[(String, f64)]) -> Result<(), String> {
    for (at, (name, share)) in shares.iter().enumerate() {
        if !(*share > 0.0 && *share <= 1.0) {
            return Err(format!("the share {share} of '{name}' is not between 0 and 1"));
        }
        if shares[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(format!("'{name}' is named twice"));
        }
    }
    let sum: f64 = shares.iter().map(|(_, share)| share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(format!("the shares add up to {sum}, not to 1"));
    }
    Ok(())
}

/// Where each of the shares of `count` things ends, to within one of its exact size.
pub(crate) fn share_ends(split: &[(String, f64)], count: usize) -> Vec<usize> {
    let (mut share, mut start) = (0.0, 0);
    let ends = split.iter().map(|(_, part)| {
        share += part;
        // The shares add up to one but for rounding; the last one takes the rest.
        let exact = (count as f64 * share).round() as usize;
        start = if share > 1.0 - 1e-5 { count } else { exact.clamp(start, count) };
        start
    });
    ends.collect()
}

/// The `index`th of `parts` parts of `count` things: of equal size, the first ones longer by one where they do not divide.
pub(crate) fn even_part(count: usize, parts: usize, index: usize) -> Range<usize> {
    let (share, longer) = (count / parts, count % parts);
    let start = index * share + index.min(longer);
    start..start + share + usize::from(index < longer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_counts() {
        assert_eq!("8".parse(), Ok(ShardCount::Each(8)));
        let by_set = [("train".to_owned(), 8), ("val".to_owned(), 1)].into();
        assert_eq!("train=8,val=1".parse(), Ok(ShardCount::BySet(by_set)));
        for bad in ["0", "x", "train=0", "train=1,2", "100000"] {
            assert!(bad.parse::<ShardCount>().is_err(), "{bad}");
        }
        assert!(ShardCount::Each(0).check(&[]).is_err());
        assert!(ShardCount::BySet([("a".to_owned(), 1)].into()).check(&["b"]).is_err());
    }

    #[test]
    fn splits() {
        assert_eq!(parse_split("a=0.5,b=0.5").unwrap().len(), 2);
        for bad in ["a", "a=0.5", "a=0.5,a=0.5", "a=1.5,b=-0.5", "a=nan"] {
            assert!(parse_split(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_end_within_one_of_their_size_and_cover_everything() {
        let split = parse_split("a=0.8,b=0.1,c=0.1").unwrap();
        for count in 0..200 {
            let ends = share_ends(&split, count);
            assert_eq!(ends.last(), Some(&count));
            let starts = std::iter::once(0).chain(ends.iter().copied());
            for ((start, end), (_, share)) in starts.zip(&ends).zip(&split) {
                assert!(((end - start) as f64 - count as f64 * share).abs() <= 1.0, "{count}: {ends:?}");
            }
        }
    }

    #[test]
    fn parts_are_even_and_cover_everything() {
        let parts: Vec<_> = (0..4).map(|i| even_part(11, 4, i)).collect();
        assert_eq!(parts, [0..3, 3..6, 6..9, 9..11]);
        assert_eq!(even_part(1, 3, 2), 1..1);
    }
}
