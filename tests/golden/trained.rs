//! Networks with trained weights: the default model, and a published autoencoder where its files are at hand.

use std::{fs, path::Path};

use guidestar::{
    Result,
    models::{
        Autoencoder, ClipText, Kind, Parameters, Taesd, Unet,
        config::{AutoencoderConfig, ClipTextConfig, TaesdConfig, UnetConfig},
        unet::NoTap,
    },
    tensor::{Device, Tensor},
    weights::{Checkpoint, Component, mini},
};

use super::{devices, fixture::Fixture, pass_limit};

/// Builds a network of a checkpoint: asks it what it needs, loads that, and hands it over.
fn build<T>(
    component: &Component,
    device: &Device,
    new: impl Fn(&mut dyn Parameters) -> Result<T>,
) -> T {
    let needed = guidestar::models::Recorder::record(&new).expect("the config fits");
    let mut quiet = |_| ();
    let loading = component.load(&needed, device, &mut quiet);
    let mut loaded = pollster::block_on(loading).expect("the weights fit");
    new(&mut loaded).expect("everything was loaded")
}

#[test]
fn the_default_model_is_that_of_diffusers() {
    let fixture = Fixture::read("mini");
    let files = mini::files();
    let checkpoint = pollster::block_on(Checkpoint::open_files(&files)).unwrap();
    let Checkpoint {
        unet,
        vae,
        text_encoder,
        ..
    } = checkpoint;
    let unet_config = UnetConfig::from_json("unet", &unet.config).unwrap();
    let vae_config = AutoencoderConfig::from_json("vae", &vae.config).unwrap();
    let text_config = ClipTextConfig::from_json("text_encoder", &text_encoder.config).unwrap();
    for device in devices() {
        let limit = pass_limit(&device);
        let text = build(&text_encoder, &device, |p| ClipText::new(&text_config, p));
        let context = text.forward(&fixture.rows("ids"));
        let unet = build(&unet, &device, |p| Unet::new(&unet_config, p));
        let eps = unet.forward(&fixture.tensor("x", &device), &[501], &context, &mut NoTap);
        fixture.check("eps", &eps, limit);
        let vae = build(&vae, &device, |p| Autoencoder::new(&vae_config, p));
        let decoded = vae.decode(&fixture.tensor("latents", &device));
        fixture.check("decoded", &decoded, limit);
    }
}

/// Parameters in a state dict of PyTorch's, taken in the order in which they were written: the archive stores tensor
/// number N uncompressed in `.../data/N`, and a network asks for them in the same order.
struct StateDict {
    device: Device,
    archive: Vec<u8>,
    next: usize,
}

/// Bytes of the central directory's records before their names, and of the local ones.
const CENTRAL_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;

impl StateDict {
    fn open(path: &Path, device: &Device) -> Self {
        Self {
            device: device.clone(),
            archive: fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
            next: 0,
        }
    }

    fn half(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.archive[at], self.archive[at + 1]]))
    }

    fn word(&self, at: usize) -> usize {
        self.half(at) | self.half(at + 2) << 16
    }

    /// What the archive stores under a name that ends like this.
    fn entry(&self, ending: &str) -> &[u8] {
        let end = self.archive.windows(4).rposition(|w| w == b"PK\x05\x06");
        let mut at = self.word(end.expect("a zip archive") + 16);
        while &self.archive[at..at + 4] == b"PK\x01\x02" {
            let name_bytes = self.half(at + 28);
            let name = &self.archive[at + CENTRAL_BYTES..][..name_bytes];
            if name.ends_with(ending.as_bytes()) {
                assert_eq!(self.half(at + 10), 0, "{ending} is compressed");
                let local = self.word(at + 42);
                let start = local + LOCAL_BYTES + self.half(local + 26) + self.half(local + 28);
                return &self.archive[start..][..self.word(at + 24)];
            }
            at += CENTRAL_BYTES + name_bytes + self.half(at + 30) + self.half(at + 32);
        }
        panic!("no {ending} in the archive");
    }
}

impl Parameters for StateDict {
    fn device(&self) -> &Device {
        &self.device
    }

    fn take(&mut self, name: &str, kind: Kind) -> Result<Tensor> {
        let bytes = self.entry(&format!("/data/{}", self.next));
        let (halves, _) = bytes.as_chunks::<2>();
        let numbers: Vec<_> = halves
            .iter()
            .map(|&half| half::f16::from_le_bytes(half).to_f32())
            .collect();
        assert_eq!(numbers.len(), kind.elements(), "{name}");
        self.next += 1;
        kind.arrange(&self.device.constant(kind.uploaded(), &numbers)?)
    }
}

/// One state dict for names that begin with `encoder`, one for the others.
struct TwoFiles(StateDict, StateDict);

impl Parameters for TwoFiles {
    fn device(&self) -> &Device {
        self.0.device()
    }

    fn take(&mut self, name: &str, kind: Kind) -> Result<Tensor> {
        let Self(encoder, decoder) = self;
        if name.starts_with("encoder") {
            encoder.take(name, kind)
        } else {
            decoder.take(name, kind)
        }
    }
}

/// TAEF2 (<https://github.com/madebyollin/taesd>) is not in the repository. Where its folder is missing this says so,
/// and the drawn network of the same layout stands for it.
#[test]
fn taef2_is_that_of_its_author() {
    let folder = Path::new("../shared/networks");
    if !folder.exists() {
        eprintln!("not tested: {} is not there", folder.display());
        return;
    }
    let fixture = Fixture::read("taef2");
    for device in devices() {
        let file = |name| StateDict::open(&folder.join(name), &device);
        let mut parameters = TwoFiles(file("taef2_encoder.pth"), file("taef2_decoder.pth"));
        let model = Taesd::new(&TaesdConfig::taef2(), &mut parameters).unwrap();
        let encoded = model.encode(&fixture.tensor("image", &device));
        fixture.check("encoded", &encoded, pass_limit(&device));
        let decoded = model.decode(&fixture.tensor("latents", &device));
        fixture.check("decoded", &decoded, pass_limit(&device));
    }
}
