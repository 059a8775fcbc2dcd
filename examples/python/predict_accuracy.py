"""Which networks are accurate, told from their weights alone: MAGEP beside statistics of the weights.

    python predict_accuracy.py [ZOO]
"""

import sys
import tempfile

import weft

with tempfile.TemporaryDirectory() as folder:
    zoo = weft.Zoo(sys.argv[1]) if sys.argv[1:] else weft.make_zoo(f"{folder}/zoo", networks=100, images=1000, epochs=4)
    ids = {part: zoo.ids(part, readable=True) for part in ("train", "val", "test")}  # nothing is learnt of weights of 10^7
    weights = {part: zoo.weights(ids[part]) for part in ids}
    accuracy = {part: zoo.column(ids[part], "accuracy") for part in ids}
    moved = weft.act(weft.random_element(zoo.space, 0, 1, seed=0), weights["test"])  # other weights, the same functions
    print(f"{zoo}: Kendall's tau on {len(ids['test'])} test networks, and on the same ones moved")
    for kind, settings in {"magep": {"channels": 8, "hidden": 64}, "statnn": {}}.items():
        model = weft.make_reader(kind, zoo.space, settings)
        train = weft.Examples(model.standardise(weights["train"]), accuracy["train"])  # first: it scales the inputs
        validation = weft.Examples(model.prepare(weights["val"]), accuracy["val"])
        weft.fit(model, train, validation, learning_rate=3e-3, epochs=20)
        print(kind, *(f"{weft.kendall_tau_b(model.predict(w)[:, 0], accuracy['test']):.2f}" for w in (weights["test"], moved)))
