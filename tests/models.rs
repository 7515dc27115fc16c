//! The networks ask for the parameters that checkpoints hold, and read their configs from the files themselves.

use guidestar::{
    Error, Result,
    models::{
        Autoencoder, ClipText, Needed, Parameters, Recorder, Unet,
        config::{AutoencoderConfig, ClipTextConfig, TaesdConfig, UnetConfig},
    },
};

fn counts<T>(build: impl FnOnce(&mut dyn Parameters) -> Result<T>) -> [usize; 2] {
    let needed = Recorder::record(build).expect("a network can be built on nothing");
    let numbers = needed.iter().map(|parameter| parameter.kind.elements());
    [needed.len(), numbers.sum()]
}

// The counts are those of the published checkpoints.
#[test]
fn sd15_unet_has_686_tensors() {
    let config = UnetConfig::sd15();
    let found = counts(|parameters| Unet::new(&config, parameters));
    assert_eq!(found, [686, 859_520_964]);
}

#[test]
fn sd15_vae_has_248_tensors() {
    let config = AutoencoderConfig::sd15();
    let found = counts(|parameters| Autoencoder::new(&config, parameters));
    assert_eq!(found, [248, 83_653_863]);
}

#[test]
fn sd15_text_encoder_has_196_tensors() {
    let config = ClipTextConfig::sd15();
    let found = counts(|parameters| ClipText::new(&config, parameters));
    assert_eq!(found, [196, 123_060_480]);
}

#[test]
fn taesd_has_as_many_numbers_as_diffusers_builds() {
    let config = AutoencoderConfig::Tiny(TaesdConfig::default());
    let [_, numbers] = counts(|parameters| Autoencoder::new(&config, parameters));
    assert_eq!(numbers, 2_445_063);
}

#[test]
fn names_are_those_of_diffusers() {
    let config = UnetConfig::sd15();
    let needed = Recorder::record(|parameters| Unet::new(&config, parameters)).unwrap();
    let shape = |name: &str| {
        let found = needed.iter().find(|parameter| parameter.name == name);
        found.map(|Needed { kind, .. }| kind.stored())
    };
    let expected: [(&str, &[usize]); 5] = [
        ("conv_in.weight", &[320, 4, 3, 3]),
        ("up_blocks.0.resnets.2.conv_shortcut.weight", &[1280, 2560]),
        ("up_blocks.3.resnets.0.norm1.bias", &[960]),
        (
            "down_blocks.2.attentions.1.transformer_blocks.0.attn2.to_k.weight",
            &[1280, 768],
        ),
        (
            "mid_block.attentions.0.transformer_blocks.0.ff.net.0.proj.weight",
            &[10240, 1280],
        ),
    ];
    for (name, stored) in expected {
        assert_eq!(shape(name).as_deref(), Some(stored), "{name}");
    }
}

#[test]
fn a_published_config_reads_as_the_built_in_one() {
    let json = r#"{
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "attention_head_dim": 8, "block_out_channels": [320, 640, 1280, 1280], "center_input_sample": false,
        "cross_attention_dim": 768,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "downsample_padding": 1, "flip_sin_to_cos": true, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
        "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"]
    }"#;
    let config = UnetConfig::from_json("unet/config.json", json).unwrap();
    assert_eq!(config, UnetConfig::sd15());

    let json = r#"{
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
        "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "norm_num_groups": 32, "out_channels": 3,
        "sample_size": 512,
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"]
    }"#;
    let config = AutoencoderConfig::from_json("vae/config.json", json).unwrap();
    assert_eq!(config, AutoencoderConfig::sd15());

    let json = r#"{
        "architectures": ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0,
        "eos_token_id": 2, "hidden_act": "quick_gelu", "hidden_size": 768, "initializer_factor": 1.0,
        "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-05,
        "max_position_embeddings": 77, "model_type": "clip_text_model", "num_attention_heads": 12,
        "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": 768, "torch_dtype": "float32",
        "transformers_version": "4.22.0.dev0", "vocab_size": 49408
    }"#;
    let config = ClipTextConfig::from_json("text_encoder/config.json", json).unwrap();
    assert_eq!(config, ClipTextConfig::sd15());
}

/// The sentence that a U-Net config with one more setting is refused with.
fn refusal(setting: &str) -> String {
    let json = format!("{{{setting}}}");
    match UnetConfig::from_json("unet/config.json", &json) {
        Err(Error::Weights { place, problem }) => {
            assert_eq!(place, "unet/config.json");
            problem
        }
        other => panic!("{setting} gave {other:?}"),
    }
}

#[test]
fn settings_that_would_change_the_result_are_refused_by_name() {
    for (setting, named) in [
        (r#""class_embed_type": "timestep""#, "class_embed_type"),
        (
            r#""addition_embed_type": "text_time""#,
            "addition_embed_type",
        ),
        (
            r#""transformer_layers_per_block": [1, 2, 10]"#,
            "transformer_layers_per_block",
        ),
        (
            r#""resnet_time_scale_shift": "scale_shift""#,
            "resnet_time_scale_shift",
        ),
        (r#""mid_block_scale_factor": 2"#, "mid_block_scale_factor"),
        (
            r#""down_block_types": ["AttnDownBlock2D"]"#,
            "down_block_types",
        ),
        (r#""attention_head_dim": [5, 10]"#, "attention_head_dim"),
        (r#""a_setting_of_the_future": 3"#, "a_setting_of_the_future"),
    ] {
        let problem = refusal(setting);
        assert!(problem.contains(named), "{setting}: {problem}");
    }
}

#[test]
fn settings_that_change_nothing_are_accepted() {
    for setting in [
        r#""class_embed_type": null"#,
        r#""mid_block_scale_factor": 1.0"#,
        r#""upcast_attention": true"#,
        r#""only_cross_attention": false"#,
        r#""_name_or_path": "anything""#,
    ] {
        let json = format!("{{{setting}}}");
        assert!(
            UnetConfig::from_json("config.json", &json).is_ok(),
            "{setting}"
        );
    }
}

#[test]
fn channels_that_do_not_divide_are_refused() {
    let problem = refusal(r#""norm_num_groups": 48"#);
    assert!(problem.contains("48 groups"), "{problem}");
    let problem = refusal(r#""attention_head_dim": 7"#);
    assert!(problem.contains("7 heads"), "{problem}");
}

#[test]
fn a_file_that_is_not_json_is_refused() {
    let error = AutoencoderConfig::from_json("vae/config.json", "<html>").unwrap_err();
    assert!(
        error.to_string().starts_with("vae/config.json: "),
        "{error}"
    );
}
