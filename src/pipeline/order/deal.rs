//! Slots dealt to sources by weight: which source has a slot, and which of its own turns that is, without counting.

use super::permutation::Permutation;
use crate::error::{Error, Result};

/// Slots in which each source has its quota: more, where weights are equal and this is no multiple of their number, or where
/// a source would have none.
const BLOCK: u64 = 1024;
const MOST: u64 = 1 << 20;
/// Keeps this permutation's keys from others'.
const DEAL: u32 = 0x4445_414c;

/// Deals slots 0, 1, 2, ... of a run without end: in each block every source has a fixed quota, and their order is permuted.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Deal {
    /// Where each source's quota begins in a block, and the block's end.
    starts: Vec<u64>,
    block: u64,
    seed: u64,
}

impl Deal {
    /// # Errors
    /// A usage error for weights that are no positive numbers, or too far apart.
    pub(in crate::pipeline) fn new(weights: &[f64], seed: u64) -> Result<Self> {
        let total: f64 = weights.iter().sum();
        if weights.is_empty() || !weights.iter().all(|w| *w > 0.0 && w.is_finite()) || !total.is_finite() {
            return Err(Error::usage("weights are numbers above 0"));
        }
        // With equal weights all have the same quota, however many they are.
        let sources = weights.len() as u64;
        let mut block = match weights.iter().all(|w| *w == weights[0]) {
            true => BLOCK.next_multiple_of(sources),
            false => BLOCK,
        };
        loop {
            let quotas = quotas(weights, total, block);
            if quotas.iter().all(|quota| *quota > 0) {
                let mut starts = vec![0];
                starts.extend(quotas.iter().scan(0, |sum, quota| {
                    *sum += quota;
                    Some(*sum)
                }));
                return Ok(Deal { starts, block, seed });
            }
            block *= 2;
            if block > MOST {
                let hint = format!("give each source at least about one of {MOST} samples");
                return Err(Error::usage_hint("the weights are too far apart", hint));
            }
        }
    }

    /// The source that has a slot, and how many slots it had before. `dealt` keeps the block that was used last.
    pub(in crate::pipeline) fn at(&self, slot: u64, dealt: &mut Option<Dealt>) -> (usize, u64) {
        let (block, place) = (slot / self.block, slot % self.block);
        if dealt.as_ref().is_none_or(|dealt| dealt.block != block) {
            *dealt = Some(self.block(block));
        }
        let slots = dealt.as_ref().map(|dealt| &dealt.slots[..]).unwrap_or_default();
        let (source, turn) = slots[place as usize];
        let quota = self.starts[source as usize + 1] - self.starts[source as usize];
        (source as usize, block.wrapping_mul(quota).wrapping_add(u64::from(turn)))
    }

    fn block(&self, block: u64) -> Dealt {
        let order = Permutation::new(self.block, self.seed, DEAL, block);
        let mut turns = vec![0; self.starts.len() - 1];
        let slots = (0..self.block).map(|place| {
            let ticket = order.at(place);
            let source = self.starts.partition_point(|start| *start <= ticket) - 1;
            let turn = turns[source];
            turns[source] += 1;
            (source as u32, turn)
        });
        Dealt { slots: slots.collect(), block }
    }
}

/// A block: of each slot the source, and how many slots of the block it had before.
#[derive(Debug, Clone)]
pub(in crate::pipeline) struct Dealt {
    block: u64,
    slots: Vec<(u32, u32)>,
}

/// Shares of whole slots: rounded down, and what is left to those who lost most.
fn quotas(weights: &[f64], total: f64, block: u64) -> Vec<u64> {
    let exact = |weight: &f64| weight / total * block as f64;
    let mut quotas: Vec<u64> = weights.iter().map(|w| exact(w) as u64).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| exact(&weights[*b]).fract().total_cmp(&exact(&weights[*a]).fract()).then(a.cmp(b)));
    let left = block.saturating_sub(quotas.iter().sum());
    for source in order.into_iter().cycle().take(left as usize) {
        quotas[source] += 1;
    }
    quotas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_the_quotas_and_turns_come_in_order() {
        for (weights, expected) in [
            (vec![1.0], vec![1024]),
            (vec![3.0, 1.0], vec![768, 256]),
            (vec![1.0; 3], vec![342; 3]),
            (vec![1.0; 700], vec![2; 700]),
            (vec![1.0, 5000.0], vec![1, 4095]),
        ] {
            let deal = Deal::new(&weights, 9).unwrap();
            let (mut turns, mut dealt) = (vec![Vec::new(); weights.len()], None);
            for block in 0..3 {
                let mut counts = vec![0; weights.len()];
                for slot in block * deal.block..(block + 1) * deal.block {
                    let (source, turn) = deal.at(slot, &mut dealt);
                    counts[source] += 1;
                    turns[source].push(turn);
                }
                assert_eq!(counts, expected);
            }
            for turns in &turns {
                assert!(turns.iter().copied().eq(0..turns.len() as u64));
            }
        }
    }

    #[test]
    fn blocks_are_in_orders_of_their_own() {
        let deal = |seed| Deal::new(&[1.0, 1.0], seed).unwrap();
        let block = |deal: &Deal, n: u64| {
            let mut dealt = None;
            (n * 1024..(n + 1) * 1024).map(|slot| deal.at(slot, &mut dealt).0).collect::<Vec<_>>()
        };
        let first = deal(1);
        assert_eq!(block(&first, 0), block(&deal(1), 0));
        assert_ne!(block(&first, 0), block(&first, 1));
        assert_ne!(block(&first, 0), block(&deal(2), 0));
    }

    #[test]
    fn weights_that_make_no_sense() {
        for weights in [&[][..], &[0.0], &[-1.0, 1.0], &[f64::NAN], &[f64::INFINITY], &[1.0, 1e9]] {
            assert!(Deal::new(weights, 0).is_err(), "{weights:?}");
        }
    }
}
