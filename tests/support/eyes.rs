//! Small eyes, with fewer names and channels than those that come with the program.

use guidestar::models::config::{ClipTextConfig, EyesConfig, Names};

/// What they are like.
pub fn config() -> EyesConfig {
    let numbered = |count| (0..count).map(|i: usize| i.to_string()).collect();
    EyesConfig {
        names: Names {
            thing: numbered(7),
            colour: numbered(5),
            scene: numbered(4),
            dye: numbered(3),
        },
        widths: [6, 8, 10, 12],
        lateral: 9,
        embedding: 11,
        text: Some(ClipTextConfig {
            vocab_size: 50,
            hidden_size: 16,
            intermediate_size: 24,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            max_position_embeddings: 20,
            ..ClipTextConfig::sd15()
        }),
    }
}
