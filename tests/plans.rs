//! The lazy engine's plans: what is fused, planned and replayed is what comes out node by node; memory and work are what
//! was said before.

use guidestar::tensor::{
    Conv, Counters, Device, GpuOptions, Interpolation, Precision, Shape, Tensor,
};

fn open(options: GpuOptions) -> Device {
    pollster::block_on(Device::gpu(options))
        .expect("a GPU, or mesa-vulkan-drivers for one in software")
}

fn device(precision: Precision) -> Device {
    open(GpuOptions {
        precision,
        ..GpuOptions::default()
    })
}

fn read(tensor: &Tensor) -> Vec<f32> {
    pollster::block_on(tensor.read()).expect("a tensor is computed and read")
}

/// Knuth's MMIX generator, and the weights that were drawn with it.
struct Draw {
    state: u64,
    /// Height and width of the networks' input.
    size: usize,
    weights: Vec<Tensor>,
}

impl Draw {
    fn new(seed: u64) -> Self {
        Self {
            state: seed,
            size: 4,
            weights: Vec::new(),
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % limit
    }

    fn numbers(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| self.below(2001) as f32 / 1000.0 - 1.0)
            .collect()
    }

    fn constant(&mut self, device: &Device, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        // As a layer's weights are: sums stay near 1 however many they are of.
        let inputs = (shape.elements() / shape.last()).max(1) as f32;
        let numbers = self.numbers(shape.elements()).into_iter();
        let numbers: Vec<f32> = numbers.map(|x| x / inputs.sqrt()).collect();
        let weight = device
            .constant(shape, &numbers)
            .expect("there is room for a small weight");
        self.weights.push(weight.clone());
        weight
    }

    fn input(&mut self, device: &Device, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        let numbers = self.numbers(shape.elements());
        device.tensor(shape, numbers)
    }

    fn pick<'a>(&mut self, tensors: &'a [Tensor]) -> &'a Tensor {
        &tensors[self.below(tensors.len())]
    }
}

/// Results of a network of drawn layers, as a U-Net has them, on inputs and weights that are drawn too.
fn network(device: &Device, seed: u64) -> Vec<Tensor> {
    drawn(device, &mut Draw::new(seed))
}

fn drawn(device: &Device, draw: &mut Draw) -> Vec<Tensor> {
    let channels = [4, 6, 8][draw.below(3)];
    let size = draw.size;
    let mut maps = vec![draw.input(device, [2, size, size, channels])];
    for _ in 0..4 + draw.below(10) {
        let x = draw.pick(&maps).clone();
        let next = layer(draw, device, &x, &maps);
        maps.push(next);
    }
    let second = draw.pick(&maps).clone();
    vec![maps[maps.len() - 1].clone(), second]
}

fn layer(draw: &mut Draw, device: &Device, x: &Tensor, maps: &[Tensor]) -> Tensor {
    let [batch, h, w, channels] = x.dims();
    let outer = [4, 6, 8, 12][draw.below(4)];
    let conv = |draw: &mut Draw, x: &Tensor, size: usize, conv: Conv, outer: usize| {
        let weight = draw.constant(device, [size, size, x.shape().last(), outer]);
        let bias = draw.constant(device, [outer]);
        x.conv2d(&weight, Some(&bias), conv)
    };
    let norm = |draw: &mut Draw, x: &Tensor| {
        let [gamma, beta] = [0; 2].map(|_| draw.constant(device, [x.shape().last()]));
        x.group_norm(&gamma, &beta, 2, 1e-5)
    };
    match draw.below(9) {
        0 => x.silu(),
        1 => x.affine(0.5, 0.25),
        2 => conv(draw, x, 3, Conv::padded(1), outer).silu(),
        3 => norm(draw, x).silu(),
        4 => {
            let hidden = norm(draw, x).silu();
            let hidden = conv(draw, &hidden, 3, Conv::padded(1), channels);
            let row = draw.input(device, [batch, 1, 1, channels]);
            let hidden = norm(draw, &hidden.add(&row)).silu();
            conv(draw, &hidden, 1, Conv::padded(0), channels).add(x)
        }
        5 => {
            let fits = maps.iter().filter(|other| other.shape()[1..3] == [h, w]);
            let fits: Vec<_> = fits.cloned().collect();
            let both = Tensor::concat(&[x, draw.pick(&fits)], 3);
            let hidden = norm(draw, &both);
            let hidden = conv(draw, &hidden, 3, Conv::padded(1), outer);
            hidden.add(&conv(draw, &both, 1, Conv::padded(0), outer))
        }
        6 if h <= draw.size => {
            let large = x.resize([2 * h, 2 * w], Interpolation::Nearest, false);
            conv(draw, &large, 3, Conv::padded(1), outer)
        }
        7 if h >= draw.size => {
            let halving = Conv {
                stride: [2, 2],
                ..Conv::padded(1)
            };
            conv(draw, x, 3, halving, outer)
        }
        _ => {
            let tokens = x.reshape([batch, h * w, channels]);
            let [gamma, beta] = [0; 2].map(|_| draw.constant(device, [channels]));
            let hidden = tokens.layer_norm(&gamma, &beta, 1e-5);
            let wide = draw.constant(device, [channels, 8 * channels]);
            let bias = draw.constant(device, [8 * channels]);
            let narrow = draw.constant(device, [4 * channels, channels]);
            let hidden = hidden.matmul(&wide, Some(&bias)).geglu();
            let hidden = hidden.matmul(&narrow, None).add(&tokens);
            hidden.reshape([batch, h, w, channels])
        }
    }
}

/// Squared distance relative to the reference's square.
fn nmse(found: &[f32], reference: &[f32]) -> f64 {
    assert_eq!(found.len(), reference.len());
    assert!(found.iter().all(|x| x.is_finite()));
    let square = |x: f64| x * x;
    let pairs = found.iter().zip(reference);
    let error: f64 = pairs.map(|(a, b)| square(f64::from(a - b))).sum();
    let size: f64 = reference.iter().map(|b| square(f64::from(*b))).sum();
    error / size.max(1e-30)
}

#[test]
fn what_was_uploaded_comes_back() {
    for precision in [Precision::F32, Precision::F16] {
        let device = device(precision);
        let elements: Vec<f32> = (0..3 * 6).map(|i| i as f32 / 8.0).collect();
        let constant = device.constant([3, 6], &elements).unwrap();
        assert_eq!(read(&constant), elements);
        assert_eq!(read(&constant.reshape([1, 3, 6])), elements);
        let input = device.tensor([3, 6], elements.clone());
        assert_eq!(read(&input.reshape([1, 3, 6])), elements);
        assert_eq!(read(&input.keep().unwrap()), elements);
    }
}

#[test]
fn fused_plans_compute_what_single_operations_do() {
    // Fusion leaves out roundings; in f16 those are what differs.
    for (precision, limit) in [(Precision::F32, 1e-11), (Precision::F16, 2e-6)] {
        let optimised = device(precision);
        let plain = open(GpuOptions {
            precision,
            optimise: false,
            ..GpuOptions::default()
        });
        for seed in 0..16 {
            let found = network(&optimised, seed);
            optimised.eval(&found.iter().collect::<Vec<_>>()).unwrap();
            let reference = network(&plain, seed);
            for (found, reference) in found.iter().zip(&reference) {
                let error = nmse(&read(found), &read(reference));
                assert!(error < limit, "{precision:?}, seed {seed}: nmse {error:e}");
            }
        }
    }
}

#[test]
fn tensors_larger_than_a_binding_are_computed_in_parts() {
    let open = |binding_bytes| {
        open(GpuOptions {
            precision: Precision::F32,
            binding_bytes,
            ..GpuOptions::default()
        })
    };
    // The weights fit, and none of the feature maps does.
    let (parts, whole) = (open(Some(32 << 10)), open(None));
    for seed in 0..8 {
        let [found, reference] = [&parts, &whole].map(|device| {
            let mut draw = Draw::new(seed);
            draw.size = 32;
            drawn(device, &mut draw)
        });
        for (found, reference) in found.iter().zip(&reference) {
            let error = nmse(&read(found), &read(reference));
            assert!(error < 1e-11, "seed {seed}: nmse {error:e}");
        }
    }
}

#[test]
fn a_plan_that_runs_again_plans_allocates_and_compiles_nothing() {
    let device = device(Precision::F16);
    let weight = Draw::new(1).constant(&device, [3, 3, 8, 8]);
    let step = |x: &Tensor, scale: f64| {
        let hidden = x.conv2d(&weight, None, Conv::padded(1)).silu();
        let next = hidden.affine(scale, 0.0).add(x);
        let numbers = read(&next);
        (next, numbers)
    };
    // Each result is let go of when the next is there, as in a sampling loop.
    let mut x = Draw::new(2).input(&device, [1, 8, 8, 8]);
    for scale in [0.5, 0.25] {
        x = step(&x, scale).0;
    }
    let before = device.counters();
    let (_, numbers) = step(&x, 0.125);
    let after = device.counters();
    let submissions = after.submissions - before.submissions;
    assert_eq!(submissions, 2, "one run, one read");
    assert!(after.dispatches > before.dispatches);
    let unchanged = Counters {
        dispatches: before.dispatches,
        submissions: before.submissions,
        ..after
    };
    assert_eq!(unchanged, before);

    // The same by single steps on a device that has seen nothing: scalars are not baked into the plan.
    let plain = open(GpuOptions {
        precision: Precision::F16,
        optimise: false,
        ..GpuOptions::default()
    });
    let weight = Draw::new(1).constant(&plain, [3, 3, 8, 8]);
    let mut y = Draw::new(2).input(&plain, [1, 8, 8, 8]);
    for scale in [0.5, 0.25, 0.125] {
        let hidden = y.conv2d(&weight, None, Conv::padded(1)).silu();
        y = hidden.affine(scale, 0.0).add(&y);
    }
    assert!(nmse(&numbers, &read(&y)) < 2e-6);
}

#[test]
fn a_plan_takes_the_memory_that_was_said_before() {
    for seed in 0..4 {
        let device = device(Precision::F32);
        let mut draw = Draw::new(seed);
        let results = drawn(&device, &mut draw);
        let results: Vec<_> = results.iter().collect();
        let before = device.counters();
        let said = device.footprint(&results);
        assert_eq!(
            device.counters().allocations,
            before.allocations,
            "seed {seed}"
        );
        assert!(said.constant_bytes <= before.allocated_bytes, "seed {seed}");
        device.eval(&results).unwrap();
        let taken = device.counters().allocated_bytes - before.allocated_bytes;
        assert_eq!(taken, said.intermediate_bytes, "seed {seed}");
    }
}

#[test]
fn sharing_memory_takes_less_of_it() {
    let [shared, apart] = [true, false].map(|optimise| {
        let device = open(GpuOptions {
            optimise,
            ..GpuOptions::default()
        });
        let mut x = Draw::new(3).input(&device, [1, 16, 16, 8]);
        let weight = Draw::new(4).constant(&device, [3, 3, 8, 8]);
        for _ in 0..20 {
            x = x.conv2d(&weight, None, Conv::padded(1));
        }
        device.footprint(&[&x]).intermediate_bytes
    });
    assert!(3 * shared < apart, "{shared} against {apart}");
}

#[test]
fn the_same_job_twice_gives_the_same_bytes() {
    let device = device(Precision::F16);
    for seed in 0..4 {
        let [first, second] = [0; 2].map(|_| network(&device, seed).iter().map(read).collect());
        let [first, second]: [Vec<Vec<f32>>; 2] = [first, second];
        assert_eq!(first, second, "seed {seed}");
    }
}

#[test]
fn a_planner_says_what_the_device_will_take() {
    let device = device(Precision::F16);
    for seed in 0..10 {
        let planner = device.planner();
        let [real, planned] = [&device, &planner].map(|device| {
            let results = network(device, seed);
            device.footprint(&results.iter().collect::<Vec<_>>())
        });
        assert_eq!(planned, real, "seed {seed}");
    }
}

#[test]
fn a_job_beyond_the_memory_is_refused_with_the_bytes() {
    let device = open(GpuOptions {
        memory_bytes: Some(1 << 20),
        ..GpuOptions::default()
    });
    let x = device.tensor([1, 4], vec![1.0; 4]);
    let large = x.expand([1 << 18, 4]).silu();
    let error = pollster::block_on(large.read()).unwrap_err().to_string();
    assert!(error.contains("1048576"), "{error}");
    // The device is as good as before.
    assert_eq!(read(&x.affine(2.0, 0.0)), [2.0; 4]);
}

#[test]
fn weights_that_are_dropped_give_their_memory_back() {
    let device = device(Precision::F16);
    let before = device.counters().allocated_bytes;
    let weight = Draw::new(5).constant(&device, [64, 64]);
    let x = Draw::new(6).input(&device, [64, 64]);
    let held = device.counters().allocated_bytes - before;
    read(&x.matmul(&weight, None));
    let run = device.counters().allocated_bytes;
    drop(weight);
    // The next call finds that the plan is of no use any more.
    read(&x.affine(2.0, 0.0));
    assert!(device.counters().allocated_bytes <= run - held);
}

#[test]
fn a_profile_has_every_step_and_the_numbers_are_the_same() {
    let device = device(Precision::F32);
    let results = network(&device, 7);
    let again = network(&device, 7);
    let times = pollster::block_on(device.profile(&results.iter().collect::<Vec<_>>())).unwrap();
    assert!(!times.is_empty());
    assert!(times.iter().all(|time| time.secs >= 0.0 && time.bytes > 0));
    for (profiled, plain) in results.iter().zip(&again) {
        assert_eq!(read(profiled), read(plain));
    }
}
