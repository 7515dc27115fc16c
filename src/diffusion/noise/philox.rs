//! The counter-based generator Philox 4x32-10.
//!
//! Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", <https://doi.org/10.1145/2063384.2063405>.

use super::normal;

/// Round multipliers and key increments, from the paper.
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const INCREMENTS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: usize = 10;

/// Four random words for a counter and a key.
fn block(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let products = [
            u64::from(MULTIPLIERS[0]) * u64::from(counter[0]),
            u64::from(MULTIPLIERS[1]) * u64::from(counter[2]),
        ];
        counter = [
            (products[1] >> 32) as u32 ^ counter[1] ^ key[0],
            products[1] as u32,
            (products[0] >> 32) as u32 ^ counter[3] ^ key[1],
            products[0] as u32,
        ];
        key = [
            key[0].wrapping_add(INCREMENTS[0]),
            key[1].wrapping_add(INCREMENTS[1]),
        ];
    }
    counter
}

/// A stream of normals: each counter value gives two.
#[derive(Clone)]
pub struct Philox {
    key: [u32; 2],
    counter: u64,
    left: Option<f64>,
}

impl Philox {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Self {
            key: [seed as u32, (seed >> 32) as u32],
            counter: 0,
            left: None,
        }
    }

    /// The next numbers of mean 0 and variance 1.
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.normal() as f32).collect()
    }

    fn normal(&mut self) -> f64 {
        if let Some(left) = self.left.take() {
            return left;
        }
        let counter = [self.counter as u32, (self.counter >> 32) as u32, 0, 0];
        self.counter += 1;
        let [a, b, c, d] = block(counter, self.key);
        // The radius needs a number above 0, the angle one below 1; both carry 53 bits.
        let radius = (bits53(a, b) + 1) as f64 * TWO_POW_MINUS_53;
        let turn = bits53(c, d) as f64 * TWO_POW_MINUS_53;
        let [first, second] = normal::box_muller(radius, turn);
        self.left = Some(second);
        first
    }
}

const TWO_POW_MINUS_53: f64 = 1.0 / (1u64 << 53) as f64;

fn bits53(high: u32, low: u32) -> u64 {
    (u64::from(high) << 32 | u64::from(low)) >> 11
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_the_authors_known_answers() {
        // `kat_vectors` of the authors' Random123 1.14.
        let zeros = block([0; 4], [0; 2]);
        assert_eq!(zeros, [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = block([u32::MAX; 4], [u32::MAX; 2]);
        assert_eq!(ones, [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = block(
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
        );
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn the_stream_never_changes() {
        // Pictures are remembered by their seed, so these bits are a promise.
        let bits: Vec<_> = Philox::new(42)
            .normals(4)
            .iter()
            .map(|x| x.to_bits())
            .collect();
        assert_eq!(
            bits,
            [1_063_448_960, 1_054_929_735, 3_189_792_326, 3_160_458_319]
        );
    }
}
