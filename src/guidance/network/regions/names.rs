//! What the classes of a detector for photographs are called.

use crate::error::{Error, Result};

/// The classes of COCO in their order. The first is what is no thing, and some numbers were never given out: they have no name.
pub const COCO: [&str; 91] = [
    "",
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "",
    "backpack",
    "umbrella",
    "",
    "",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "",
    "dining table",
    "",
    "",
    "toilet",
    "",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

/// The number of a class by its name; by its number where it is not known what classes are called.
pub(super) fn class(thing: &str, classes: usize) -> Result<usize> {
    if classes != COCO.len() {
        let number = thing.parse().ok().filter(|at| (1..classes).contains(at));
        return number.ok_or_else(|| {
            Error::Request(format!(
                "the detector knows its classes by number, 1 to {}, and {thing:?} is none",
                classes - 1
            ))
        });
    }
    let asked = thing.to_lowercase();
    let found = COCO
        .iter()
        .position(|name| !name.is_empty() && *name == asked);
    found.ok_or_else(|| {
        let names = COCO.iter().filter(|name| !name.is_empty());
        let names = names.copied().collect::<Vec<_>>().join(", ");
        Error::Request(format!("the detector knows no {thing:?}; it knows {names}"))
    })
}
