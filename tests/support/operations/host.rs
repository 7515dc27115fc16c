//! Numbers on the host, in f64, and where they come from.

use guidestar::tensor::{Device, Shape, Tensor};

/// A tensor on the host, for references: row-major, in f64.
#[derive(Clone, Debug)]
pub struct Host {
    pub shape: Shape,
    pub data: Vec<f64>,
}

impl Host {
    /// Each element from its index.
    pub fn build(shape: impl Into<Shape>, mut element: impl FnMut(&[usize]) -> f64) -> Self {
        let shape = shape.into();
        let mut index = vec![0; shape.rank()];
        let data = (0..shape.elements())
            .map(|at| {
                let mut rest = at;
                for axis in (0..shape.rank()).rev() {
                    index[axis] = rest % shape[axis];
                    rest /= shape[axis];
                }
                element(&index)
            })
            .collect();
        Self { shape, data }
    }

    /// The element at an index.
    pub fn at(&self, index: &[usize]) -> f64 {
        assert_eq!(
            index.len(),
            self.shape.rank(),
            "an index of the tensor's rank"
        );
        let at = index
            .iter()
            .zip(self.shape.iter())
            .fold(0, |at, (&i, &extent)| {
                assert!(i < extent, "{index:?} is outside {:?}", self.shape);
                at * extent + i
            });
        self.data[at]
    }

    /// The element at an index, where axes of extent 1 are repeated.
    pub fn repeated_at(&self, index: &[usize]) -> f64 {
        let index: Vec<_> = index
            .iter()
            .zip(self.shape.iter())
            .map(|(&i, &extent)| if extent == 1 { 0 } else { i })
            .collect();
        self.at(&index)
    }

    /// The extents, when there are as many as asked for.
    pub fn dims<const RANK: usize>(&self) -> [usize; RANK] {
        <[usize; RANK]>::try_from(&self.shape[..]).expect("the rank that the operation needs")
    }

    /// Brings a tensor here.
    pub async fn fetch(tensor: &Tensor) -> Self {
        let elements = tensor.read().await.expect("the device computes");
        Self {
            shape: tensor.shape().clone(),
            data: elements.into_iter().map(f64::from).collect(),
        }
    }

    fn elements(&self) -> Vec<f32> {
        self.data.iter().map(|&x| x as f32).collect()
    }

    /// The same as an input of a step.
    pub fn input(&self, device: &Device) -> Tensor {
        device.tensor(self.shape.clone(), self.elements())
    }

    /// The same as a weight.
    pub fn constant(&self, device: &Device) -> Tensor {
        let constant = device.constant(self.shape.clone(), &self.elements());
        constant.expect("the device has room for a test")
    }
}

/// What numbers to draw. All of them are exact in f16, so that storing inputs costs a device nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// From -2 to 2.
    Any,
    /// From -12 to 12: where functions have flattened out.
    Wide,
    /// From 1/4 to 9/4.
    Positive,
    /// -1, 0 or 1, so that pairs are often equal.
    Digit,
    /// From 46 to 50: a mean far from 0, which a careless variance does not survive.
    Far,
}

/// A source of numbers that gives the same ones on every run (Steele et al. 2014, splitmix64).
pub struct Generator(u64);

impl Generator {
    /// Numbers that belong to this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        (((self.bits() >> 32) * count as u64) >> 32) as usize
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// An extent: 1, even, odd, prime, a multiple of 4 or one more.
    pub fn extent(&mut self) -> usize {
        self.pick(&[1, 2, 3, 4, 5, 7, 8, 12, 13, 16, 17, 20])
    }

    fn number(&mut self, draw: Draw) -> f64 {
        match draw {
            Draw::Any => self.below(513) as f64 / 128.0 - 2.0,
            Draw::Wide => self.below(1537) as f64 / 64.0 - 12.0,
            Draw::Positive => self.below(257) as f64 / 128.0 + 0.25,
            Draw::Digit => self.below(3) as f64 - 1.0,
            Draw::Far => self.below(129) as f64 / 32.0 + 46.0,
        }
    }

    /// A tensor of drawn numbers.
    pub fn host(&mut self, shape: &Shape, draw: Draw) -> Host {
        Host::build(shape.clone(), |_| self.number(draw))
    }
}
