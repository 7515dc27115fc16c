//! Networks that others have published are what PyTorch makes of them.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::rc::Rc;

use guidestar::{
    guidance::{
        network::{Segmentation, Similarity, matched::Angle},
        universal::Guide,
    },
    models::{
        Kind, Parameters, Random, Recorder,
        config::ClipTextConfig,
        guides::TextTower,
        published::{
            ClipResnet, ClipResnetConfig, ClipVision, ClipVisionConfig, Encoder, InceptionResnet,
            InceptionResnetConfig, Lraspp, LrasppConfig, Normalisation,
        },
    },
    tensor::{Device, Interpolation, Keep, Tensor},
    weights::{Memory, published},
};
use safetensors::tensor::{Dtype, TensorView};

use super::{devices, fixture::Fixture, pass_limit};

/// The processor, and a GPU in f32.
const DEVICES: usize = 2;
/// As in the script.
const ENLARGED: usize = 4;

fn encoders(device: &Device) -> [(&'static str, Box<dyn Encoder>); 3] {
    let mut drawn = Random::new(device);
    let vit = ClipVision::new(&ClipVisionConfig::tiny(), &mut drawn).unwrap();
    let resnet = ClipResnet::new(&ClipResnetConfig::tiny(), &mut drawn).unwrap();
    let facenet = InceptionResnet::new(&InceptionResnetConfig::tiny(), &mut drawn).unwrap();
    [
        ("vit", Box::new(vit)),
        ("resnet", Box::new(resnet)),
        ("facenet", Box::new(facenet)),
    ]
}

fn image(fixture: &Fixture, name: &str, device: &Device) -> Tensor {
    let small = fixture.tensor(&format!("{name}/image"), device);
    if name == "vit" {
        return small;
    }
    let [_, h, w, _] = small.dims();
    small.resize([ENLARGED * h, ENLARGED * w], Interpolation::Nearest, false)
}

#[test]
fn published_encoders_give_the_embeddings_of_pytorch() {
    let fixture = Fixture::read("published");
    for device in devices().iter().take(DEVICES) {
        for (name, encoder) in encoders(device) {
            let found = encoder.embed(&image(&fixture, name, device)).unwrap();
            fixture.check(&format!("{name}/embedding"), &found, pass_limit(device));
        }
    }
}

#[test]
fn the_published_segmenter_gives_the_classes_of_pytorch() {
    let fixture = Fixture::read("published");
    // A software GPU takes a minute to compile the kernels of all its kinds of convolution; each is in `tests/kernels`.
    for device in devices().iter().take(1) {
        let network = Lraspp::new(&LrasppConfig::tiny(), &mut Random::new(device)).unwrap();
        let classes = network.segment(&image(&fixture, "lraspp", device));
        let [_, h, w, _] = classes.dims();
        let thinned = classes.slice_by(1, 0..h, 3).slice_by(2, 0..w, 3);
        fixture.check("lraspp/classes", &thinned, pass_limit(device));
    }
}

#[test]
fn a_segmentation_is_at_its_own_target_and_others_are_pulled_there() {
    let device = Device::cpu().unwrap();
    let config = LrasppConfig {
        narrower: 8,
        ..LrasppConfig::voc()
    };
    let network = Rc::new(Lraspp::new(&config, &mut Random::new(&device)).unwrap());
    let read = |tensor: &Tensor| pollster::block_on(tensor.read()).unwrap();
    let picture = |seed: usize| {
        let numbers = (0..6 * 8 * 3).map(|at| (at * seed % 31) as f32 / 31.0);
        let small = device.tensor([1, 6, 8, 3], numbers.collect());
        small.resize([24, 32], Interpolation::Bilinear, false)
    };
    let [goal, other] = [picture(13), picture(17)];
    let guide = Segmentation::picture(&network, &goal).unwrap();
    let loss = |image: &Tensor| read(&guide.loss(image).unwrap())[0];
    assert!((read(&guide.score(&goal).unwrap())[0] - 1.0).abs() < 1e-5);
    let leaf = other.tracked(Keep::Milestones);
    let gradient = guide.loss(&leaf).unwrap().gradient(&[&leaf], 1.0).unwrap();
    let gradient = read(&gradient[0]);
    let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    let numbers = read(&other);
    let moved = numbers.iter().zip(&gradient).map(|(x, g)| x - g / size);
    let nearer = loss(&device.tensor([1, 24, 32, 3], moved.collect()));
    assert!(nearer < loss(&other), "{nearer} after {}", loss(&other));

    let left = (0..24 * 32).map(|at| f32::from(u8::from(at % 32 < 16)));
    let mask = device.tensor([1, 24, 32, 1], left.collect());
    let guide = Segmentation::mask(&network, &mask, "dog", Some("background")).unwrap();
    assert!(read(&guide.loss(&other).unwrap())[0] > 0.0);
    let refused = Segmentation::mask(&network, &mask, "unicorn", None).err();
    let text = refused.unwrap().to_string();
    assert!(
        text.contains("the segmenter knows no \"unicorn\"; it knows background, aeroplane"),
        "{text}"
    );
}

#[test]
fn gradients_go_through_published_encoders() {
    let fixture = Fixture::read("published");
    let device = Device::cpu().unwrap();
    let read = |tensor: &Tensor| pollster::block_on(tensor.read()).unwrap();
    for (name, encoder) in encoders(&device) {
        // Smooth: where pixels are alike a maximum has no slope.
        let start = fixture.tensor(&format!("{name}/image"), &device).rows(0..1);
        let side = if name == "vit" { 1 } else { ENLARGED };
        let size = [1, 2].map(|axis| side * start.shape()[axis]);
        let start = start.resize(size, Interpolation::Bilinear, false);
        let shape = start.shape().clone();
        let numbers = read(&start);
        let sum = |x: &Tensor| {
            encoder
                .embed(x)
                .unwrap()
                .mul(&weights(&device, name))
                .sum(&[1])
        };
        let leaf = start.tracked(Keep::Milestones);
        let gradient = read(&sum(&leaf).gradient(&[&leaf], 1.0).unwrap()[0]);
        let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let at = |step: f32| {
            let pairs = numbers.iter().zip(&gradient);
            let moved: Vec<f32> = pairs.map(|(x, g)| x + step * g / size).collect();
            read(&sum(&device.tensor(shape.clone(), moved)))[0]
        };
        // A long step goes over many kinks, a short one is lost in rounding: one of them has to fit.
        let off = [0.2, 0.05, 0.0125, 0.003]
            .map(|step| ((at(step) - at(-step)) / (2.0 * step) / size - 1.0).abs());
        eprintln!("{name}: four steps along a gradient of {size:.5} are off by {off:?}");
        assert!(
            size > 0.0 && off.iter().any(|&off| off < 0.02),
            "{name}: {off:?}"
        );
    }
}

#[test]
fn gradients_go_through_the_published_segmenter() {
    let fixture = Fixture::read("published");
    let device = Device::cpu().unwrap();
    let network = Lraspp::new(&LrasppConfig::tiny(), &mut Random::new(&device)).unwrap();
    let read = |tensor: &Tensor| pollster::block_on(tensor.read()).unwrap();
    let small = fixture.tensor("lraspp/image", &device);
    let start = small.resize([48, 64], Interpolation::Bilinear, false);
    let weights = (0..48 * 64 * 5).map(|at| (at * 7 % 11) as f32 / 5.0 - 1.0);
    let weights = device.tensor([1, 48, 64, 5], weights.collect());
    let sum = |x: &Tensor| network.segment(x).mul(&weights).sum(&[1, 2, 3]);
    let leaf = start.tracked(Keep::Milestones);
    let gradient = read(&sum(&leaf).gradient(&[&leaf], 1.0).unwrap()[0]);
    let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    let numbers = read(&start);
    let at = |step: f32| {
        let moved = numbers
            .iter()
            .zip(&gradient)
            .map(|(x, g)| x + step * g / size);
        read(&sum(&device.tensor([1, 48, 64, 3], moved.collect())))[0]
    };
    let off = [0.2, 0.05, 0.0125, 0.003]
        .map(|step| ((at(step) - at(-step)) / (2.0 * step) / size - 1.0).abs());
    eprintln!("four steps along a gradient of {size:.5} are off by {off:?}");
    assert!(off.iter().any(|&off| off < 0.02), "{size}: {off:?}");
}

/// A number for each of an embedding's, none like another.
fn weights(device: &Device, name: &str) -> Tensor {
    let count = match name {
        "vit" => 20,
        "resnet" => 12,
        _ => 10,
    };
    let numbers = (0..count).map(|at: u16| f32::from(at * 7 % 11) / 5.0 - 1.0);
    device.tensor([1, usize::from(count)], numbers.collect())
}

/// Builds a network from its parameters.
pub type Build<'a> = dyn Fn(&mut dyn Parameters) -> guidestar::Result<()> + 'a;

/// A safetensors file of what a network needs, drawn, under the names that `rename` gives them.
pub fn file(device: &Device, rename: impl Fn(&str) -> String, networks: &[&Build]) -> Vec<u8> {
    let mut drawn = Random::new(device);
    let mut stored: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for network in networks {
        for needed in Recorder::record(network).unwrap() {
            let laid_out = drawn.take(&needed.name, needed.kind).unwrap();
            let order: &[usize] = match needed.kind {
                Kind::Conv { .. } => &[3, 2, 0, 1],
                Kind::Linear { .. } => &[1, 0],
                Kind::Table { .. } => &[0, 1],
                Kind::Vector(_) => &[0],
            };
            let numbers = pollster::block_on(laid_out.permute(order).read()).unwrap();
            let bytes = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
            stored.push((rename(&needed.name), needed.kind.stored(), bytes));
        }
    }
    // What training counted is in public files too, and is for nothing here.
    stored.push((
        "visual.bn1.num_batches_tracked".to_owned(),
        vec![1],
        vec![0; 4],
    ));
    let views = stored.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (name.clone(), view)
    });
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn a_file_is_known_by_the_encoder_that_it_holds() {
    let device = Device::cpu().unwrap();
    let vision = ClipVisionConfig {
        hidden_size: 64,
        num_attention_heads: 1,
        ..ClipVisionConfig::tiny()
    };
    let text = ClipTextConfig {
        vocab_size: 60,
        hidden_size: 64,
        num_attention_heads: 1,
        ..ClipTextConfig::tiny()
    };
    let resnet = ClipResnetConfig {
        heads: 2,
        ..ClipResnetConfig::tiny()
    };
    let clip = file(
        &device,
        |name| name.replace("project.weight", "text_projection.weight"),
        &[&|p| ClipVision::new(&vision, p).map(drop), &|p| {
            TextTower::new(&text, vision.projection_dim, p).map(drop)
        }],
    );
    let rn50 = file(
        &device,
        str::to_owned,
        &[&|p| ClipResnet::new(&resnet, p).map(drop)],
    );
    let open = |bytes: Vec<u8>| {
        let source = Rc::new(Memory::new("published", bytes));
        let opened = published::encoder(source, Normalisation::Clip, &device);
        pollster::block_on(opened)
    };
    let picture = |side: usize| {
        let numbers = (0..side * side * 3).map(|at| (at * 13 % 29) as f32 / 14.0 - 1.0);
        device.tensor([1, side, side, 3], numbers.collect())
    };
    let read = |tensor: &Tensor| pollster::block_on(tensor.read()).unwrap();
    let same = |a: &dyn Encoder, b: &dyn Encoder, side| {
        let [a, b] = [a, b].map(|encoder| read(&encoder.embed(&picture(side)).unwrap()));
        assert_eq!(a, b);
    };
    let clip = open(clip).unwrap();
    assert_eq!(clip.kind, published::Kind::ClipVision);
    assert_eq!(clip.input.size, Some([24, 24]));
    let drawn = ClipVision::new(&vision, &mut Random::new(&device)).unwrap();
    same(&*clip.encoder, &drawn, 24);
    let said = |tower: &TextTower| read(&tower.embed(&[vec![1, 5, 9, 2]], &[3]));
    let tower = TextTower::new(&text, vision.projection_dim, &mut Random::new(&device));
    assert_eq!(said(&clip.text.unwrap()), said(&tower.unwrap()));

    let rn50 = open(rn50).unwrap();
    assert_eq!(rn50.kind, published::Kind::ClipResnet);
    assert!(rn50.text.is_none());
    let drawn = ClipResnet::new(&resnet, &mut Random::new(&device)).unwrap();
    same(&*rn50.encoder, &drawn, 64);

    let other = open(file(&device, str::to_owned, &[]))
        .err()
        .unwrap()
        .to_string();
    assert!(
        other.contains("holds no encoder that is known here"),
        "{other}"
    );
}

/// What `OpenAI` calls the parameters of a text encoder, and of what is beside it.
fn openai_text(width: usize, words: usize) -> Vec<(String, Kind)> {
    let table = |rows, columns| Kind::Table { rows, columns };
    let linear = |inputs, outputs| Kind::Linear { outputs, inputs };
    let vector = Kind::Vector;
    let named = |(name, kind): (&str, Kind)| (name.to_owned(), kind);
    let mut parameters = vec![
        ("token_embedding.weight", table(words, width)),
        ("positional_embedding", table(20, width)),
        ("ln_final.weight", vector(width)),
        ("ln_final.bias", vector(width)),
        ("text_projection", table(width, 12)),
        ("logit_scale", vector(1)),
    ];
    let mut parameters: Vec<_> = parameters.drain(..).map(named).collect();
    for layer in 0..2 {
        let parts = [
            ("attn.in_proj_weight", linear(width, 3 * width)),
            ("attn.in_proj_bias", vector(3 * width)),
            ("attn.out_proj.weight", linear(width, width)),
            ("attn.out_proj.bias", vector(width)),
            ("ln_1.weight", vector(width)),
            ("ln_1.bias", vector(width)),
            ("mlp.c_fc.weight", linear(width, 4 * width)),
            ("mlp.c_fc.bias", vector(4 * width)),
            ("mlp.c_proj.weight", linear(4 * width, width)),
            ("mlp.c_proj.bias", vector(width)),
            ("ln_2.weight", vector(width)),
            ("ln_2.bias", vector(width)),
        ];
        let block = format!("transformer.resblocks.{layer}");
        parameters.extend(parts.map(|(part, kind)| (format!("{block}.{part}"), kind)));
    }
    parameters
}

#[test]
fn texts_beside_a_residual_network_have_the_embeddings_of_pytorch_and_guide() {
    let fixture = Fixture::read("published");
    let device = Device::cpu().unwrap();
    let read = |tensor: &Tensor| pollster::block_on(tensor.read()).unwrap();
    let resnet = ClipResnetConfig {
        heads: 2,
        ..ClipResnetConfig::tiny()
    };
    let open = |left_out: &str| {
        let text = openai_text(128, 60);
        let stored = file(
            &device,
            str::to_owned,
            &[&|p| ClipResnet::new(&resnet, p).map(drop), &|p| {
                let kept = text.iter().filter(|(name, _)| name != left_out);
                for (name, kind) in kept {
                    p.take(name, *kind)?;
                }
                Ok(())
            }],
        );
        let stored = Rc::new(Memory::new("RN50", stored));
        pollster::block_on(published::encoder(stored, Normalisation::Clip, &device))
    };
    let clip = open("").unwrap();
    assert_eq!(clip.kind, published::Kind::ClipResnet);
    let tower = clip.text.unwrap();
    let prompts = [vec![58, 5, 9, 33, 59, 0, 0], vec![58, 41, 2, 17, 8, 23, 59]];
    let found = tower.embed(&prompts, &[4, 6]);
    fixture.check("tower/embedding", &found, pass_limit(&device));

    let said = (&prompts[0][..], 3);
    let angle = Angle::Cosine;
    let guide = Similarity::text(clip.encoder, &clip.input, &tower, said, angle).unwrap();
    let numbers = (0..16 * 16 * 3).map(|at| (at * 13 % 29) as f32 / 29.0);
    let start = device.tensor([1, 16, 16, 3], numbers.collect());
    let leaf = start.tracked(Keep::Milestones);
    let loss = guide.loss(&leaf).unwrap();
    let gradient = read(&loss.gradient(&[&leaf], 1.0).unwrap()[0]);
    let size = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
    let numbers = read(&start);
    let at = |step: f32| {
        let pairs = numbers.iter().zip(&gradient);
        let moved = pairs.map(|(x, g)| x + step * g / size);
        read(
            &guide
                .loss(&device.tensor([1, 16, 16, 3], moved.collect()))
                .unwrap(),
        )[0]
    };
    let off = [0.2, 0.05, 0.0125, 0.003]
        .map(|step| ((at(step) - at(-step)) / (2.0 * step) / size - 1.0).abs());
    eprintln!("four steps along a gradient of {size:.5} are off by {off:?}");
    assert!(off.iter().any(|&off| off < 0.02), "{size}: {off:?}");

    let missing = open("transformer.resblocks.1.attn.in_proj_bias")
        .err()
        .unwrap();
    let text = missing.to_string();
    assert!(
        text.contains("encoder.layers.1.self_attn.q_proj.bias"),
        "{text}"
    );
}

#[test]
fn weights_in_their_published_size_are_read_from_their_files() {
    let device = Device::cpu().unwrap();
    let read = |tensor: &Tensor| pollster::block_on(tensor.read()).unwrap();
    let picture = |side: usize| {
        let numbers = (0..side * side * 3).map(|at| (at * 13 % 29) as f32 / 14.0 - 1.0);
        device.tensor([1, side, side, 3], numbers.collect())
    };
    let voc = LrasppConfig::voc();
    let segmenter: &Build = &|p| Lraspp::new(&voc, p).map(drop);
    let stored = Rc::new(Memory::new(
        "lraspp",
        file(&device, str::to_owned, &[segmenter]),
    ));
    let found = pollster::block_on(published::segmenter(stored.clone(), &device)).unwrap();
    let drawn = Lraspp::new(&voc, &mut Random::new(&device)).unwrap();
    let [found, wanted] = [found, drawn].map(|network| read(&network.segment(&picture(64))));
    assert_eq!(found, wanted);
    let alien = pollster::block_on(published::encoder(stored, Normalisation::Clip, &device));
    assert!(alien.err().unwrap().to_string().contains("no encoder"));

    let facenet = InceptionResnetConfig::facenet();
    let embedder: &Build = &|p| InceptionResnet::new(&facenet, p).map(drop);
    let stored = Rc::new(Memory::new(
        "facenet",
        file(&device, str::to_owned, &[embedder]),
    ));
    let found = published::encoder(stored.clone(), Normalisation::Clip, &device);
    let found = pollster::block_on(found).unwrap();
    assert_eq!(found.kind, published::Kind::Facenet);
    assert_eq!(found.input, published::facenet_input());
    let drawn = InceptionResnet::new(&facenet, &mut Random::new(&device)).unwrap();
    let [found, wanted] = [&*found.encoder, &drawn as &dyn Encoder]
        .map(|network| read(&network.embed(&picture(96)).unwrap()));
    assert_eq!(found, wanted);
    let alien = pollster::block_on(published::segmenter(stored, &device));
    assert!(alien.err().unwrap().to_string().contains("backbone"));
}
