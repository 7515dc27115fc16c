//! Gives every tensor of a program a slot by its lifetime.

/// A tensor's need of memory.
#[derive(Clone, Debug)]
pub struct Need {
    /// How many bytes.
    pub bytes: u64,
    /// The first step at which it holds something.
    pub first: usize,
    /// The last step at which it is read.
    pub last: usize,
}

/// Where tensors are.
#[derive(Debug, Default)]
pub struct Layout {
    /// The slot of each tensor.
    pub places: Vec<usize>,
    /// Bytes of each slot, the largest first.
    pub slots: Vec<u64>,
}

impl Layout {
    /// Gives every tensor a slot that no other needs at the same time.
    ///
    /// The largest go first, each to the slot of the nearest size that is free while it lives; so a slot never grows, and
    /// small tensors fill the gaps in the large ones' slots. (Greedy by size for shared objects, Pisarchyk and Lee 2020,
    /// <https://arxiv.org/abs/2001.03288>.)
    pub fn shared(needs: &[Need]) -> Self {
        let mut layout = Self {
            places: vec![0; needs.len()],
            slots: Vec::new(),
        };
        let mut tenants: Vec<Vec<usize>> = Vec::new();
        for at in by_size(needs) {
            let need = &needs[at];
            let free = |tenants: &[usize]| {
                let mut others = tenants.iter().map(|&other| &needs[other]);
                others.all(|other| other.last < need.first || need.last < other.first)
            };
            // Slots shrink along the list, so the last one that is free fits best.
            let slot = tenants.iter().rposition(|tenants| free(tenants));
            let slot = slot.unwrap_or_else(|| {
                layout.slots.push(need.bytes);
                tenants.push(Vec::new());
                tenants.len() - 1
            });
            tenants[slot].push(at);
            layout.places[at] = slot;
        }
        layout
    }

    /// Gives every tensor a slot of its own, to compare against.
    pub fn apart(needs: &[Need]) -> Self {
        let mut layout = Self {
            places: vec![0; needs.len()],
            slots: Vec::new(),
        };
        for at in by_size(needs) {
            layout.places[at] = layout.slots.len();
            layout.slots.push(needs[at].bytes);
        }
        layout
    }
}

/// Positions, the largest need first.
fn by_size(needs: &[Need]) -> Vec<usize> {
    let mut order: Vec<_> = (0..needs.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(needs[at].bytes), at));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drawn lifetimes; the generator is Knuth's MMIX one.
    fn drawn(seed: u64) -> Vec<Need> {
        let mut state = seed;
        let mut draw = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let count = 1 + draw(60);
        let need = |_| {
            let first = draw(40) as usize;
            Need {
                bytes: 8 * (1 + draw(30)),
                first,
                last: first + draw(12) as usize,
            }
        };
        (0..count).map(need).collect()
    }

    #[test]
    fn tensors_that_live_at_one_time_never_share_a_slot() {
        for seed in 0..500 {
            let needs = drawn(seed);
            let layout = Layout::shared(&needs);
            for (i, a) in needs.iter().enumerate() {
                assert!(layout.slots[layout.places[i]] >= a.bytes, "seed {seed}");
                for (j, b) in needs.iter().enumerate().skip(i + 1) {
                    let together = a.first <= b.last && b.first <= a.last;
                    let shared = layout.places[i] == layout.places[j];
                    assert!(!(together && shared), "seed {seed}: {a:?} and {b:?}");
                }
            }
        }
    }

    #[test]
    fn a_chain_takes_two_slots_however_long_it_is() {
        let needs: Vec<_> = (0..100)
            .map(|at| Need {
                bytes: 64,
                first: at,
                last: at + 1,
            })
            .collect();
        assert_eq!(Layout::shared(&needs).slots, [64, 64]);
        assert_eq!(Layout::apart(&needs).slots.len(), 100);
    }

    #[test]
    fn slots_come_the_largest_first() {
        for seed in 0..100 {
            let slots = Layout::shared(&drawn(seed)).slots;
            assert!(slots.is_sorted_by(|a, b| a >= b), "seed {seed}: {slots:?}");
        }
    }
}
