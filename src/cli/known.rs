//! What is worth fetching, as its publishers describe it. None of it is part of this program.
//!
//! The sums of the small networks were taken of the files themselves, at the commits in their addresses; those of checkpoints and
//! large weights are what their publishers state, or what several projects that use them have written down.

use serde::Serialize;

/// A file that can be fetched.
#[derive(Serialize)]
pub struct Known {
    /// What `models get` calls it.
    pub name: &'static str,
    /// How it is used.
    pub used: &'static str,
    /// Where it is.
    pub address: &'static str,
    /// How long it is.
    pub bytes: u64,
    /// What its bytes sum to, in hexadecimal.
    pub sha256: &'static str,
    /// Under what it may be used.
    pub licence: &'static str,
    /// How it wants its pictures: the card that is written beside it.
    pub card: Option<&'static str>,
}

/// Checkpoints to make pictures with.
pub const CHECKPOINTS: [Known; 2] = [
    Known {
        name: "sd15-f16",
        used: "--model",
        address: "https://huggingface.co/Comfy-Org/stable-diffusion-v1-5-archive/resolve/main/v1-5-pruned-emaonly-fp16.safetensors",
        bytes: 2_132_696_762,
        sha256: "e9476a13728cd75d8279f6ec8bad753a66a1957ca375a1464dc63b37db6e3916",
        licence: "CreativeML OpenRAIL-M",
        card: None,
    },
    Known {
        name: "sd15",
        used: "--model",
        address: "https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/main/v1-5-pruned-emaonly.safetensors",
        bytes: 4_265_146_304,
        sha256: "6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa",
        licence: "CreativeML OpenRAIL-M",
        card: None,
    },
];

/// Networks to guide with.
pub const GUIDES: [Known; 12] = [
    Known {
        name: "clip-vit-l-14",
        used: "guide --text or --style, --clip",
        address: "https://huggingface.co/openai/clip-vit-large-patch14/resolve/32bd64288804d66eefd0ccbe215aa642df71cc41/model.safetensors",
        bytes: 1_710_540_580,
        sha256: "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
        licence: "MIT",
        card: None,
    },
    Known {
        name: "clip-vit-b-32",
        used: "guide --text or --style, --clip",
        address: "https://huggingface.co/openai/clip-vit-base-patch32/resolve/3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268/pytorch_model.bin",
        bytes: 605_247_071,
        sha256: "a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f",
        licence: "MIT",
        card: None,
    },
    Known {
        name: "clip-rn50",
        used: "guide --text or --style, --clip",
        address: "https://openaipublic.azureedge.net/clip/models/afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt",
        bytes: 255_827_503,
        sha256: "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
        licence: "MIT",
        card: None,
    },
    Known {
        name: "facenet",
        used: "guide --face, --recogniser",
        address: "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
        bytes: 111_898_327,
        sha256: "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        licence: "MIT",
        card: None,
    },
    Known {
        name: "lraspp",
        used: "guide --segmentation, --segmenter",
        address: "https://download.pytorch.org/models/lraspp_mobilenet_v3_large-d234d4ea.pth",
        bytes: 13_097_061,
        sha256: "d234d4eae9d55d5f76de18b77cf0dc62c66fe5c5482758209d00f950c92bb280",
        licence: "BSD-3-Clause",
        card: None,
    },
    Known {
        name: "faster-rcnn",
        used: "guide --box, --box-detector",
        address: "https://download.pytorch.org/models/fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        bytes: 175_221_657,
        sha256: "dd69338a24b8d7381807e247652bdc356325bcbaf1cd3e092e00e0a1a58706bf",
        licence: "BSD-3-Clause",
        card: None,
    },
    Known {
        name: "mobilefacenet",
        used: "guide --face, --recogniser",
        address: "https://raw.githubusercontent.com/foamliu/MobileFaceNet/a6cc9032a659b615f477833e1a70b5e7931bcccc/weights/MobileFaceNet.onnx",
        bytes: 3_998_070,
        sha256: "b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
        licence: "Apache-2.0",
        card: Some(r#"{"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}"#),
    },
    Known {
        name: "mtcnn-pnet",
        used: "guide --face, --detector with the folder of all three",
        address: "https://raw.githubusercontent.com/timesler/facenet-pytorch/787da06156087cd6b616fe6608213722bddc30cd/data/pnet.pt",
        bytes: 28_570,
        sha256: "a2a71925e0b9996a42f63e47efc1ca19043e69558b5c523b978d611dfae49c8f",
        licence: "MIT",
        card: None,
    },
    Known {
        name: "mtcnn-rnet",
        used: "guide --face, --detector with the folder of all three",
        address: "https://raw.githubusercontent.com/timesler/facenet-pytorch/787da06156087cd6b616fe6608213722bddc30cd/data/rnet.pt",
        bytes: 403_147,
        sha256: "bbb937de72efc9ef83b186c49f5f558467a1d7e3453a8ece0d71a886633f6a86",
        licence: "MIT",
        card: None,
    },
    Known {
        name: "mtcnn-onet",
        used: "guide --face, --detector with the folder of all three",
        address: "https://raw.githubusercontent.com/timesler/facenet-pytorch/787da06156087cd6b616fe6608213722bddc30cd/data/onet.pt",
        bytes: 1_559_269,
        sha256: "165bfbe42940416ccfb977545cf0e976d5bf321f67083ae2aaaa5c764280118d",
        licence: "MIT",
        card: None,
    },
    Known {
        name: "yunet",
        used: "guide --face, --detector",
        address: "https://raw.githubusercontent.com/ShiqiYu/libfacedetection.train/0047ac24afb1a50a0c6105001c89d1b5b805dbf1/onnx/yunet_n_320_320.onnx",
        bytes: 317_434,
        sha256: "81dbde155e982455488235acb8ec2dec5d647edf7cf7080d33e4abb69b93a0d2",
        licence: "Apache-2.0",
        card: None,
    },
    Known {
        name: "fastestdet",
        used: "guide --onnx, --target-box",
        address: "https://raw.githubusercontent.com/dog-qiuqiu/FastestDet/50473cd155cb088aa4a99e64ff6a4b3c24fa07e1/example/onnx-runtime/FastestDet.onnx",
        bytes: 998_169,
        sha256: "31cb14c017fce347cb4c846ec62fdf00d76bb3beecdf4be21e7116ac67feb880",
        licence: "BSD-3-Clause",
        card: Some(r#"{"size": [352, 352], "bgr": true}"#),
    },
];

/// All of it.
pub fn all() -> impl Iterator<Item = &'static Known> {
    CHECKPOINTS.iter().chain(&GUIDES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Input;

    #[test]
    fn what_can_be_fetched_is_described_whole() {
        let mut names = Vec::new();
        for known in all() {
            assert!(!names.contains(&known.name), "{}", known.name);
            names.push(known.name);
            assert!(known.address.starts_with("https://"), "{}", known.name);
            let is_digit = |c: char| c.is_ascii_hexdigit() && !c.is_ascii_uppercase();
            assert!(known.sha256.len() == 64 && known.sha256.chars().all(is_digit));
            if let Some(card) = known.card {
                Input::read(known.name, card).expect("a card");
            }
        }
    }
}
