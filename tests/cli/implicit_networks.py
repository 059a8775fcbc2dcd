"""What the tests of implicit networks share: a small zoo of them with models, what they show and what edits are in plain
Python, and the pictures of a page."""
import base64
import csv
import html.parser
import math
import struct

from weft_cli import *

OMEGA = 30
ZOO = ("zoo", "make", "--kind", "siren", "--neurons", 12, "--views", 2)
SMALL = (*ZOO, "--images", 24, "--epochs", 4)
TINY = ("--channels", 8, "--equivariant-layers", 1, "--frequencies", 8, "--hidden", 16, "--epochs", 2)
EDIT = tuple(word for word in TINY if word not in ("--hidden", 16))
SIDE, NETWORKS = 28, 48
MOVES = ["permutations", "flips", "shifts", "all three"]
# Which of them a model respects.
PERMUTATIONS, FLIPS, ALL = MOVES[:1], MOVES[:2], MOVES
READERS = {"inr-magep": PERMUTATIONS, "inr-magep-flips": FLIPS, "inr-sine": ALL, "inr-monomial": FLIPS,
           "inr-np": PERMUTATIONS, "inr-hnp": PERMUTATIONS, "graph": PERMUTATIONS, "probes": ALL}
EDITORS = {"edit-magep": PERMUTATIONS, "edit-sine": ALL, "edit-monomial": FLIPS, "edit-np": PERMUTATIONS,
           "edit-hnp": PERMUTATIONS, "unedited": ALL}


def settings_of(model):
    return {"graph": ("--channels", 8, "--rounds", 1, "--hidden", 16, "--epochs", 2),
            "probes": ("--points", 16, "--hidden", 16, "--epochs", 2),
            "unedited": ()}.get(model, EDIT if model in EDITORS else TINY)


def trained(model, out, *words):
    task = ("--task", "edit", "--edit", "dilate") if model in EDITORS else ()
    return ("train", "inr", "--model", model, "--out", out, *task, *settings_of(model), *words)


def places(rows, columns):
    def place(i, n):
        return 2 * i / (n - 1) - 1 if n > 1 else 0.0
    return [(place(r, rows), place(c, columns)) for r in range(rows) for c in range(columns)]


def shown(network, rows, columns):
    """Pixels [-1, 1] of a network file (SafeTensors), channel by channel: [channels][rows columns]"""
    layers = []
    for l in range(1, 4):
        m, n = network.header[f"W{l}"]["shape"]
        w = network.numbers(f"W{l}")
        layers.append(([w[n * i:n * i + n] for i in range(m)], network.numbers(f"b{l}")))
    pixels = []
    for x in places(rows, columns):
        for l, (weights, biases) in enumerate(layers):
            x = [b + sum(a * c for a, c in zip(w, x)) for w, b in zip(weights, biases)]
            if l < 2:
                x = [math.sin(OMEGA * a) for a in x]
        pixels.append(x)
    return [list(channel) for channel in zip(*pixels)]


def dilated(image, columns):
    """image: [rows columns] of one channel"""
    rows = len(image) // columns
    return [max(image[y * columns + x] for y in range(max(r - 1, 0), min(r + 2, rows))
                for x in range(max(c - 1, 0), min(c + 2, columns)))
            for r in range(rows) for c in range(columns)]


def contrasted(image, columns):
    mean = sum(image) / len(image)
    return [min(max(mean + 2 * (x - mean), 0), 1) for x in image]


class Pictures(html.parser.HTMLParser):
    """The pictures of a page: for each table of them its rows by name, each a list of (width, height, pixels), pixels
    (red, green, blue) from the top left on."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.titles, self.inside, self.tag = [], [], False, ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tag = tag
        attributes = dict(attributes)
        if tag == "table":
            self.inside = attributes.get("class") == "pictures"
            if self.inside:
                self.tables.append({})
        elif tag == "img":
            name = attributes["alt"].rsplit(" ", 1)[0]
            kind, _, data = attributes["src"].partition(",")
            assert self.inside and kind == "data:image/bmp;base64", kind
            picture = bitmap(base64.b64decode(data, validate=True))
            assert (int(attributes["width"]), int(attributes["height"])) == (3 * picture[0], 3 * picture[1])
            self.tables[-1].setdefault(name, []).append(picture)

    def handle_data(self, data):
        if self.tag == "h2":
            self.titles.append(data)
        self.tag = ""

    def handle_endtag(self, tag):
        if tag == "table":
            self.inside = False


def bitmap(data):
    """A BMP of 24 bits, every field of it checked."""
    magic, size, zero, begin = struct.unpack("<2sIII", data[:14])
    header, width, height, planes, bits, compression, pixels, *rest = struct.unpack("<IiiHHIIiiII", data[14:54])
    stride = (3 * width + 3) // 4 * 4
    assert (magic, size, zero, begin, header) == (b"BM", len(data), 0, 54, 40)
    assert (planes, bits, compression, pixels, rest) == (1, 24, 0, stride * height, [0] * 4)
    assert len(data) == 54 + stride * height
    rows = [data[begin + stride * r:begin + stride * r + stride] for r in range(height)]
    assert all(not any(row[3 * width:]) for row in rows)  # padding
    return width, height, [(row[3 * c + 2], row[3 * c + 1], row[3 * c]) for row in reversed(rows) for c in range(width)]


class ImplicitTest(Test):
    """Works with `inr`, a zoo, `reader`, a model of its classes, and two editors, `one` and `two`, of so many channels."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for words in ((*SMALL, "--out", "inr"), trained("inr-sine", "reader"), trained("edit-sine", "one"),
                      trained("edit-magep", "two", "--edit", "contrast", "--output-channels", 2)):
            subprocess.run([PROGRAM, *map(str, words), "--quiet"], cwd=cls.folder, check=True)

    def table(self, zoo="inr"):
        with open(self.folder / zoo / "table.csv") as file:
            return [{**row, **{name: int(row[name]) for name in ("id", "image", "view", "class")}}
                    for row in csv.DictReader(file)]

    def images(self, zoo="inr"):
        """Bytes of every image, channel by channel."""
        file = SafeTensors(self.folder / zoo / "images.safetensors")
        n, channels, rows, columns = file.header["images"]["shape"]
        pixels, size = file.numbers("images"), rows * columns
        return [[pixels[(i * channels + c) * size:(i * channels + c + 1) * size] for c in range(channels)] for i in range(n)]

    def network(self, i, zoo="inr"):
        self.weft("zoo", "export", zoo, "--id", i, "--out", "exported", "--force", "--quiet")
        return SafeTensors(self.folder / "exported")

    def refused(self, *words, says, code=USAGE):
        """With this message, and nothing written."""
        before = self.bytes_of(".")
        said = self.weft(*words, code=code).stderr
        self.assertIn(f"weft: {says}\n", said)
        self.assert_same(before, self.bytes_of("."))

    def with_images(self, out, channels, rows, columns):
        """A zoo whose originals are of another size, drawn."""
        shutil.copytree(self.folder / "inr", self.folder / out)
        path = self.folder / out / "images.safetensors"
        file, size = SafeTensors(path), 24 * channels * rows * columns
        file.header["images"] = {"dtype": "U8", "shape": [24, channels, rows, columns], "data_offsets": [0, size]}
        file.data = bytearray(7 * i * i % 251 for i in range(size))
        file.save(path)
