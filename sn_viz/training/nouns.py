"""Names for what photographs show, and the groups above them.

Takes the folder names of the photograph sets that training reads; returns ``Noun`` values: what people call the thing, what else is
true of it, and what is better not asked because people would disagree. It knows nothing of pixels or models.

A line is ``folder: name | groups | unclear``. Groups are everyday words that are true of the thing as well. ``unclear`` are names
about which no question is asked, neither yes nor no. The word for all animals together is no group here: that question is kept for
what was never trained.
"""

from __future__ import annotations

from dataclasses import dataclass

HELD_OUT = (
    "koala", "lighthouse", "teapot", "banana", "tractor", "penguin", "sandal", "sewing machine", "bison", "pretzel",
    "saxophone", "kangaroo", "panda", "helicopter", "wheelchair", "pay phone", "suspension bridge", "orange", "gondola",
)  # fmt: skip
"""Names whose photographs and words training never meets."""
NEVER = ("umbrella",)
"""Kept for the test of a kind that training never showed, drawn or photographed."""

CALTECH = """
Faces: face | person |
Faces_easy: face | person |
Leopards: leopard | wild cat | cat
Motorbikes: motorbike | vehicle | bicycle
accordion: accordion | musical instrument | piano
airplanes: aeroplane | vehicle |
anchor: anchor | |
ant: ant | insect |
barrel: barrel | container |
bass: fish | |
beaver: beaver | |
binocular: binoculars | |
bonsai: bonsai | tree, plant | flower
brain: brain | |
brontosaurus: dinosaur | | reptile
buddha: statue | | person, face
butterfly: butterfly | insect | flower
camera: camera | electronics |
cannon: cannon | weapon |
car_side: car | vehicle |
ceiling_fan: fan | | lamp
cellphone: phone | electronics |
chair: chair | furniture |
chandelier: chandelier | lamp |
cougar_body: cougar | wild cat | cat
cougar_face: cougar | wild cat | cat
crab: crab | shellfish |
crayfish: crayfish | shellfish | lobster
crocodile: crocodile | reptile | alligator
crocodile_head: crocodile | reptile | alligator
cup: cup | container | plate
dalmatian: dalmatian | dog |
dollar_bill: banknote | | face, person
dolphin: dolphin | | fish
dragonfly: dragonfly | insect |
electric_guitar: guitar | musical instrument |
elephant: elephant | |
emu: emu | bird |
euphonium: euphonium | musical instrument | saxophone
ewer: jug | container | vase, cup
ferry: ferry | boat, vehicle | ship
flamingo: flamingo | bird |
flamingo_head: flamingo | bird |
gerenuk: gazelle | | deer
gramophone: gramophone | |
grand_piano: piano | musical instrument |
hawksbill: turtle | reptile |
headphone: headphones | electronics |
hedgehog: hedgehog | |
helicopter: helicopter | vehicle | aeroplane
ibis: ibis | bird |
inline_skate: skate | | shoe
joshua_tree: tree | plant | cactus, flower
kangaroo: kangaroo | |
ketch: sailing boat | boat, vehicle | ship
lamp: lamp | |
laptop: laptop | electronics | keyboard
llama: llama | | camel, sheep
lobster: lobster | shellfish |
lotus: lotus | flower, plant |
mandolin: mandolin | musical instrument | guitar
mayfly: mayfly | insect |
menorah: candlestick | | candle
metronome: metronome | |
minaret: tower | building |
nautilus: nautilus | | snail, shellfish
octopus: octopus | |
okapi: okapi | | deer
pagoda: pagoda | building | tower, house
panda: panda | | bear
pigeon: pigeon | bird |
pizza: pizza | food |
platypus: platypus | |
pyramid: pyramid | building |
revolver: gun | weapon |
rhino: rhino | |
rooster: rooster | bird |
saxophone: saxophone | musical instrument |
schooner: sailing boat | boat, vehicle | ship
scissors: scissors | tool |
scorpion: scorpion | | insect, spider
sea_horse: sea horse | | fish, horse
soccer_ball: football | ball |
stapler: stapler | tool |
starfish: starfish | |
stegosaurus: dinosaur | | reptile
stop_sign: sign | |
strawberry: strawberry | fruit, food |
sunflower: sunflower | flower, plant |
tick: tick | | insect, spider
trilobite: fossil | | insect
watch: watch | | clock
water_lilly: water lily | flower, plant |
wheelchair: wheelchair | | chair
wild_cat: wild cat | | cat
windsor_chair: chair | furniture |
wrench: wrench | tool |
"""

TINY_IMAGENET = """
n01443537: goldfish | fish |
n01629819: salamander | | reptile
n01641577: frog | |
n01644900: frog | |
n01698640: alligator | reptile | crocodile
n01742172: snake | reptile |
n01768244: fossil | | insect
n01770393: scorpion | | insect, spider
n01774384: spider | | insect
n01774750: spider | | insect
n01784675: centipede | | insect, worm
n01855672: goose | bird | duck
n01882714: koala | | bear
n01910747: jellyfish | |
n01917289: coral | |
n01944390: snail | |
n01945685: slug | | snail
n01950731: slug | | snail
n01983481: lobster | shellfish |
n01984695: lobster | shellfish |
n02002724: stork | bird |
n02056570: penguin | bird |
n02058221: albatross | bird | gull
n02074367: dugong | | fish
n02085620: chihuahua | dog |
n02094433: terrier | dog |
n02099601: golden retriever | dog |
n02099712: labrador | dog | golden retriever
n02106662: German shepherd | dog |
n02113799: poodle | dog |
n02123045: tabby | cat |
n02123394: Persian cat | cat |
n02124075: Egyptian cat | cat | tabby
n02125311: cougar | wild cat | cat
n02129165: lion | wild cat | cat
n02132136: bear | |
n02165456: ladybird | insect, beetle |
n02190166: fly | insect |
n02206856: bee | insect | flower, fly
n02226429: grasshopper | insect |
n02231487: stick insect | insect |
n02233338: cockroach | insect, beetle |
n02236044: mantis | insect |
n02268443: dragonfly | insect |
n02279972: butterfly | insect | flower
n02281406: butterfly | insect | flower
n02321529: sea cucumber | | worm
n02364673: guinea pig | |
n02395406: pig | |
n02403003: ox | cow |
n02410509: bison | | cow, ox
n02415577: sheep | | goat
n02423022: gazelle | | deer
n02437312: camel | | llama, horse
n02480495: orangutan | ape | monkey
n02480855: gorilla | ape | monkey
n02481823: chimpanzee | ape | monkey
n02486410: baboon | monkey | ape
n02504458: elephant | |
n02509815: red panda | | panda, bear
n02666196: abacus | | toy
n02669723: gown | clothes, person |
n02699494: altar | | candle
n02730930: apron | clothes | person, dress
n02769748: backpack | bag, container | person
n02788148: banister | | stairs, fence
n02791270: barber shop | | person, chair
n02793495: barn | building | house
n02795169: barrel | container |
n02802426: basketball | ball | person
n02808440: bathtub | | furniture
n02814533: estate car | car, vehicle |
n02814860: lighthouse | building | tower
n02815834: beaker | container | cup
n02823428: beer bottle | bottle, container |
n02837789: bikini | clothes, person | swimsuit
n02841315: binoculars | | person
n02843684: birdhouse | | bird, house
n02883205: bow tie | clothes | person, face
n02892201: plaque | | sign
n02906734: broom | tool |
n02909870: bucket | container |
n02917067: train | vehicle |
n02927161: butcher shop | shop | meat, person, food
n02948072: candle | | lamp
n02950826: cannon | weapon |
n02963159: cardigan | clothes | person
n02977058: cash machine | machine | electronics
n02988304: CD player | electronics, machine | radio
n02999410: chain | |
n03014705: chest | furniture, container | box
n03026506: stocking | clothes | sock
n03042490: cliff dwelling | building | cliff, house
n03085013: keyboard | electronics | laptop
n03089624: sweet shop | shop | food
n03100240: convertible | car, vehicle |
n03126707: crane | machine | bird
n03160309: dam | | bridge, lake
n03179701: desk | table, furniture |
n03201208: dining table | table, furniture | desk, chair
n03250847: drumstick | | drum, musical instrument
n03255030: dumbbell | | person
n03355925: flagpole | | flag, pole
n03388043: fountain | | building, statue
n03393912: freight car | vehicle | train
n03400231: frying pan | pan | food
n03404251: fur coat | coat, clothes, person |
n03424325: gas mask | | mask, person
n03444034: go-kart | vehicle | car, person
n03447447: gondola | boat, vehicle | person
n03544143: hourglass | | clock
n03584254: music player | electronics | phone, radio
n03599486: rickshaw | vehicle | person, bicycle
n03617480: kimono | clothes, person | dress
n03637318: lampshade | lamp |
n03649909: lawn mower | machine | vehicle, person
n03662601: lifeboat | boat, vehicle | ship
n03670208: limousine | car, vehicle |
n03706229: compass | | watch, clock
n03733131: maypole | | person, pole
n03763968: uniform | clothes, person |
n03770439: skirt | clothes, person | dress
n03796401: van | vehicle | truck, car
n03804744: nail | | tool
n03814639: neck brace | | person
n03837869: obelisk | | tower, building
n03838899: oboe | musical instrument | person
n03854065: organ | musical instrument | piano
n03891332: parking meter | machine |
n03902125: pay phone | | phone
n03930313: fence | |
n03937543: pill bottle | bottle, container |
n03970156: plunger | tool |
n03976657: pole | | sign
n03977966: police van | van, vehicle | car
n03980874: poncho | clothes, person | coat
n03983396: soda bottle | bottle, container | drink
n03992509: pottery wheel | | person, pot
n04008634: missile | weapon | rocket
n04023962: punching bag | | person, bag
n04067472: reel | |
n04070727: fridge | machine | furniture
n04074963: remote control | electronics | phone
n04099969: rocking chair | chair, furniture |
n04118538: rugby ball | ball | person
n04133789: sandal | shoe, clothes |
n04146614: school bus | bus, vehicle |
n04149813: scoreboard | | sign
n04179913: sewing machine | machine |
n04251144: snorkel | | person
n04254777: sock | clothes | stocking
n04259630: sombrero | hat, clothes | person
n04265275: heater | machine | electronics
n04275548: spider web | | spider
n04285008: sports car | car, vehicle |
n04311004: arch bridge | bridge |
n04328186: stopwatch | watch, clock | compass
n04356056: sunglasses | glasses | face, person
n04366367: suspension bridge | bridge |
n04371430: swimming trunks | clothes, person |
n04376876: syringe | tool | needle
n04398044: teapot | pot, container |
n04399382: teddy bear | toy | bear
n04417672: thatched roof | | house, building
n04456115: torch | | candle, lamp
n04465501: tractor | vehicle | car, truck
n04486054: arch | building | bridge
n04487081: trolley bus | bus, vehicle |
n04501370: turnstile | | machine
n04532106: vestment | clothes, person | gown
n04532670: viaduct | bridge |
n04540053: volleyball | ball | person
n04560804: water jug | jug, container | vase, pot
n04562935: water tower | tower | building
n04596742: wok | pan | food
n04597913: wooden spoon | spoon | food
n06596364: comic | book | person
n07579787: plate | | food
n07583066: guacamole | food |
n07614500: ice cream | food |
n07615774: lolly | food | ice cream
n07695742: pretzel | food | bread
n07711569: mashed potato | food | vegetable
n07715103: cauliflower | vegetable, food |
n07720875: pepper | vegetable, food | fruit
n07734744: mushroom | |
n07747607: orange | fruit, food |
n07749582: lemon | fruit, food | orange
n07753592: banana | fruit, food |
n07768694: pomegranate | fruit, food |
n07871810: meat loaf | food | meat
n07873807: pizza | food |
n07875152: pie | food |
n07920052: coffee | drink | cup, food
n09193705: mountain | landscape | cliff
n09246464: cliff | landscape | mountain
n09256479: coral reef | coral | fish
n09332890: lake | landscape | mountain
n09428293: beach | landscape | sea, person
n10148035: groom | person | clothes
n12267677: acorn | | fruit, tree
"""

CIFAR = """
airplane: aeroplane | vehicle |
automobile: car | vehicle |
bird: bird | |
cat: cat | |
deer: deer | | gazelle
dog: dog | |
frog: frog | |
horse: horse | |
ship: ship | boat, vehicle | ferry
truck: truck | vehicle | van, car
"""

IMAGENETTE = """
n01440764: tench | fish | person
n02102040: springer spaniel | dog | person
n02979186: cassette player | electronics | radio
n03000684: chainsaw | tool | person
n03028079: church | building | tower
n03394916: French horn | musical instrument | trumpet, person
n03417042: rubbish truck | truck, vehicle | person
n03425413: petrol pump | | car, person
n03445777: golf ball | ball | person
n03888257: parachute | | person, aeroplane
"""

SETS = {"caltech": CALTECH, "tiny-imagenet": TINY_IMAGENET, "cifar": CIFAR, "imagenette": IMAGENETTE}
"""Every photograph set that training knows to read, by name."""

WITHOUT_PEOPLE = (
    "bird", "insect", "reptile", "fish", "shellfish", "wild cat", "fruit", "vegetable", "flower", "plant", "landscape", "spider",
    "ape", "monkey", "frog", "snail", "slug", "coral", "starfish", "octopus", "hedgehog", "beaver", "deer", "bear", "pizza",
    "fossil", "tree", "lamp", "chair", "aeroplane", "car", "cow", "sheep", "gazelle", "cat", "building", "food",
)  # fmt: skip
"""What is nearly never photographed together with people: only there the answer to "a person?" is taken to be no."""

PLURALS = {
    "fish": "fish", "cactus": "cacti", "bus": "buses", "goldfish": "goldfish", "sheep": "sheep",
    "goose": "geese", "ox": "oxen", "person": "people", "clothes": "clothes", "furniture": "furniture", "mantis": "mantises",
    "binoculars": "binoculars", "scissors": "scissors", "headphones": "headphones", "sunglasses": "sunglasses",
    "beach": "beaches", "bench": "benches", "torch": "torches", "wrench": "wrenches", "watch": "watches", "church": "churches",
    "arch": "arches", "ostrich": "ostriches", "compass": "compasses", "ibis": "ibises", "lotus": "lotuses", "octopus": "octopuses",
    "butterfly": "butterflies", "fly": "flies", "dragonfly": "dragonflies", "mayfly": "mayflies", "ferry": "ferries",
    "strawberry": "strawberries", "water lily": "water lilies", "glasses": "glasses", "swimming trunks": "swimming trunks",
    "shellfish": "shellfish", "starfish": "starfish", "platypus": "platypuses",
    "cockroach": "cockroaches", "spider web": "spider webs", "food": "dishes", "coral": "corals", "labrador": "labradors",
    "tabby": "tabbies", "grasshopper": "grasshoppers", "box": "boxes",
    "electronics": "electronics", "dress": "dresses",
}  # fmt: skip
"""Plurals that are not made with an s alone."""

WITHOUT_ARTICLE = ("clothes", "furniture", "binoculars", "scissors", "headphones", "sunglasses", "glasses", "food", "coral",
                   "swimming trunks", "electronics", "coffee", "ice cream", "mashed potato", "guacamole", "shellfish")  # fmt: skip


@dataclass(frozen=True)
class Noun:
    """What one folder of photographs shows."""

    name: str
    """The closest everyday word."""
    groups: tuple[str, ...]
    """Other words that are true of it, the nearest first."""
    unclear: frozenset[str]
    """Words about which nothing is asked."""

    @property
    def words(self) -> tuple[str, ...]:
        """The name and its groups."""
        return (self.name, *self.groups)


def _read(text: str) -> dict[str, Noun]:
    nouns = {}
    for line in text.strip().splitlines():
        folder, rest = line.split(":", 1)
        name, groups, unclear = (part.strip() for part in (*rest.split("|"), "", "")[:3])
        split = [tuple(filter(None, (word.strip() for word in part.split(",")))) for part in (groups, unclear)]
        nouns[folder.strip()] = Noun(name, split[0], frozenset(split[1]))
    return nouns


NOUNS: dict[str, dict[str, Noun]] = {name: _read(text) for name, text in SETS.items()}
"""What each folder of each set shows."""


def trained(noun: Noun) -> bool:
    """Return whether training may show photographs of ``noun``."""
    return not set(noun.words) & {*HELD_OUT, *NEVER}


NAMES: tuple[str, ...] = tuple(
    dict.fromkeys(word for nouns in NOUNS.values() for noun in nouns.values() if trained(noun) for word in noun.words)
)
"""Every word that training may use for what a photograph shows."""


def members(word: str) -> tuple[Noun, ...]:
    """Return the trained nouns of which ``word`` is true."""
    return tuple(n for nouns in NOUNS.values() for n in nouns.values() if trained(n) and word in n.words)


def absent_from(noun: Noun) -> frozenset[str]:
    """Return the trained words that are certainly false of a photograph of ``noun``."""
    unclear = {*noun.words, *noun.unclear}
    if not set(noun.words) & set(WITHOUT_PEOPLE):
        unclear |= {"person", "face", "clothes"}
    unclear |= {other.name for nouns in NOUNS.values() for other in nouns.values() if noun.name in other.groups}
    unclear |= {other.name for nouns in NOUNS.values() for other in nouns.values() if noun.name in other.unclear}
    return frozenset(NAMES) - unclear


def with_article(word: str) -> str:
    """Return ``word`` as it stands after "Is this": with a or an where it has one."""
    if word in WITHOUT_ARTICLE:
        return word
    return f"{'an' if word[0].lower() in 'aeiou' and not word.startswith(('uni', 'eu')) else 'a'} {word}"


def plural(word: str) -> str:
    """Return the plural of ``word``."""
    return PLURALS.get(word, word + "s")
