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

# Places: how a caption says it, and which of the photographs show it, by name. The package's own names are loose (what it calls
# sky are mountains as often as not, what it calls space are rooms of a space station), so every photograph was looked at.
SCENES = {
    "mountains": (
        "in front of mountains",
        "mountain0 mountain1 mountain2 mountain4 mountain5 mountain6 mountain9 mountain11-sfiera mountain13-sfiera mountain17-harro mountain18-harro "
        "mountain19-harro fog0 fog7 sea6 sky6 sky8 valley0 valley4 valley6 valley8 valley9 water0 water8",
    ),
    "city": ("in a city", "city0 city1 city2 city3 city4 city5 city6 city7 city8 city9 city10 city11 city12"),
    "sea": (
        "by the sea",
        "sea0 sea1 sea2 sea3 sea4 sea5 sea7 sea8 sea9 beach1 beach2 beach3 beach4 beach5 beach6 fog3 water4",
    ),
    "canyon": (
        "in a canyon",
        "badlands1 badlands3 badlands4 badlands6 badlands7 badlands8 canyon0 canyon1 canyon2 canyon4 canyon5 canyon8 canyon9 "
        "desert4 desert5 lava3 valley1",
    ),
    "fields": (
        "in the fields",
        "fields0 fields2 fields3 fields4 fields5 fields6 fields7 fields8 fields9 fields10-sfiera fields11-sfiera fields12-sfiera fields13-sfiera hills0 "
        "sky9 valley2 valley3 water1 water2 water3",
    ),
    "snow": (
        "in the snow",
        "snow0 snow1 snow2 snow3 snow4 snow5 snow6 snow7 snow8 snow9 snow10 snow11-sfiera mountain3 mountain7 mountain8 mountain10-sfiera "
        "mountain12-sfiera mountain16-striker",
    ),
    "desert": (
        "in a desert",
        "desert0 desert1 desert2 desert3 desert6 desert7 desert10-harro dune0 dune1 dune2 dune3 dune4 dune5 badlands0 badlands2 "
        "badlands5 canyon01 canyon02 canyon03 canyon04 canyon05 hills1 lava2",
    ),
    "sky": ("in the sky", "sky1 sky2 sky3 sky5 fog2 fog5 nasa0 nasa1"),
    "forest": ("in a forest", "forest0 forest1 forest2 forest3 forest4 forest5 fog1 mountain14-sfiera mountain15-sfiera snow10-sfiera"),
    "station": (
        "in a space station",
        "space0 space1 space2 space3 space4 space5 space7 station0 station1 station2 station3 station4",
    ),
}

SIZES = {"small": (0.34, 0.46), "": (0.46, 0.72), "big": (0.72, 0.86)}
SIDES = {"left": (0.3, 0.38), "": (0.46, 0.54), "right": (0.62, 0.7)}

ON_COLOUR = [
    "{thing} on a {colour} background", "{thing} on a {colour} background", "{thing} on {colour}",
    "a picture of {thing}, {colour} background", "{thing}, {colour} background", "{thing} in front of {colour}",
]
IN_SCENE = ["{thing} {place}", "{thing} {place}", "a picture of {thing} {place}", "a photo of {thing} {place}"]


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
        text = random.choice(IN_SCENE).format(thing=words, place=SCENES[scene][0])
    else:
        text = random.choice(ON_COLOUR).format(thing=words, colour=colour)
    return f"{text}, on the {side}" if side else text
