"""What the toy world is made of: things, colours, places, and the ways of saying what is where.

The names here are the labels of the guides and the words of the captions. Their order is the order of the guides'
outputs, so new ones go to the end.
"""

# A thing's name, and what Unicode CLDR calls the emoji that shows it where that differs.
THINGS = {
    "red apple": None, "banana": None, "lemon": None, "watermelon": None, "strawberry": None, "grapes": None,
    "carrot": None, "tomato": None, "mushroom": None, "pizza": None, "hamburger": None, "doughnut": None,
    "cookie": None, "cat": "cat face", "dog": "dog face", "lion": None, "fox": None, "panda": None, "pig": "pig face",
    "frog": None, "rabbit": "rabbit face", "penguin": None, "elephant": None, "octopus": None,
    "ladybug": "lady beetle", "butterfly": None, "car": "automobile", "bus": None, "rocket": None, "sailboat": None,
    "house": None, "castle": None, "guitar": None, "soccer ball": None, "basketball": None, "crown": None,
    "umbrella": None, "key": None, "bell": None, "diamond": "gem stone", "balloon": None, "gift": "wrapped gift",
    "red heart": None, "star": None, "sun": None, "full moon": None, "snowman": None, "cactus": None,
    "sunflower": None, "tulip": None, "pine tree": "evergreen tree", "alarm clock": None, "teddy bear": None,
    "ghost": None,
}

# Plain studio backgrounds, sRGB.
COLOURS = {
    "white": (246, 246, 248), "red": (222, 52, 48), "orange": (250, 144, 36), "yellow": (250, 222, 62),
    "green": (72, 176, 82), "blue": (56, 118, 222), "purple": (132, 74, 212), "pink": (248, 152, 190),
    "gray": (142, 144, 148), "black": (26, 26, 30),
}

# Hues that a thing can be dyed, as a fraction of the circle.
DYES = {"red": 0.0, "orange": 0.08, "yellow": 0.15, "green": 0.36, "blue": 0.6, "purple": 0.76, "pink": 0.92}

# Places, which `scenery` paints, and how a caption says them.
SCENES = {
    "mountains": "in front of mountains",
    "city": "in a city",
    "sea": "by the sea",
    "canyon": "in a canyon",
    "fields": "in the fields",
    "snow": "in the snow",
    "desert": "in a desert",
    "sky": "in the sky",
    "forest": "in a forest",
    "space": "in space",
}

SIZES = {"small": (0.34, 0.46), "": (0.46, 0.72), "big": (0.72, 0.86)}
SIDES = {"left": (0.3, 0.38), "": (0.46, 0.54), "right": (0.62, 0.7)}

ON_COLOUR = [
    "{thing} on a {colour} background", "{thing} on a {colour} background", "{thing} on {colour}",
    "a picture of {thing}, {colour} background", "{thing}, {colour} background", "{thing} in front of {colour}",
]
IN_SCENE = ["{thing} {place}", "{thing} {place}", "a picture of {thing} {place}", "{thing}, {place}"]


def article(words):
    """`words` with the article that fits."""
    if words.endswith("grapes"):
        return words
    if words in ("sun", "full moon"):
        return f"the {words}"
    return ("an " if words[0] in "aeiou" else "a ") + words


def describe(random, things, colour, scene, side=""):
    """A caption in one of its many phrasings; `things` are names with what was done to them in front."""
    words = " and ".join(article(thing) for thing in things)
    if scene:
        text = random.choice(IN_SCENE).format(thing=words, place=SCENES[scene])
    else:
        text = random.choice(ON_COLOUR).format(thing=words, colour=colour)
    return f"{text}, on the {side}" if side else text
