"""Modules that are written here, of the layers of torch and torchvision: what users build of them."""
import torchvision
from torch import nn

from harness import torch


def headed(rnn, width):
    """A recurrent layer and a linear map that reads it: the states are not an output."""
    class Headed(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = rnn(), nn.Linear(width, 2)

        def forward(self, x):
            return self.head(self.rnn(x)[0]).flatten(0, 1)
    return Headed


class Sine(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x):
        return torch.sin(3 * self.linear(x))


def vgg(batch_norm=False):
    layers = torchvision.models.vgg.make_layers([4, "M", 6, 5, "M"], batch_norm)
    with torch.device("meta"):
        model = torchvision.models.VGG(layers, num_classes=3, init_weights=False)
    model.features = layers
    model.classifier = nn.Sequential(nn.Linear(5 * 49, 7), nn.ReLU(True), nn.Dropout(), nn.Linear(7, 6), nn.ReLU(True),
                                     nn.Dropout(), nn.Linear(6, 3))
    return model


def layers(*sizes, activation=nn.ReLU):
    out = []
    for a, b in zip(sizes, sizes[1:]):
        out += [nn.Linear(a, b), activation()]
    return nn.Sequential(*out[:-1])


def convolutions():
    return nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(5, 4))


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.ModuleList([nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3)])
        self.fc = nn.ModuleList([nn.Linear(5, 7), nn.Linear(7, 4)])

    def forward(self, x):
        for c in self.conv:
            x = torch.relu(c(x))
        return self.fc[1](torch.relu(self.fc[0](x.mean((2, 3)))))


class Attention(nn.Module):
    """Attention of the inputs to themselves."""
    def __init__(self, **options):
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True, **options)

    def forward(self, x):
        return self.attention(x, x, x)[0].flatten(0, 1)


class GroupNorms(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6), nn.ReLU(), nn.Conv2d(6, 4, 3),
                                      nn.GroupNorm(2, 4), nn.ReLU())
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


class SmallTransformer(nn.Module):
    """The published zoo's: no residual stream, norms without gain and shift, attention without biases."""
    def __init__(self, width=8, heads=2):
        super().__init__()
        self.heads = heads
        self.embedding = nn.Module()
        self.embedding.conv1 = nn.Conv2d(1, width, 4, 4)
        self.embedding.pos_embedding = nn.Parameter(torch.zeros(9, width))
        self.encoder = nn.ModuleList()
        for _ in range(2):
            block = nn.Module()
            block.attention = nn.Module()
            for name in ("queries", "keys", "values", "out_projection"):
                setattr(block.attention, name, nn.Linear(width, width, bias=False))
            block.fc1, block.fc2 = nn.Linear(width, 10), nn.Linear(10, width)
            self.encoder.append(block)
        self.classifier = nn.Module()
        self.classifier.fc1, self.classifier.fc2 = nn.Linear(width, 6), nn.Linear(6, 5)

    def forward(self, x):
        def norm(x):
            return nn.functional.layer_norm(x, x.shape[-1:])

        def split(x):
            return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        x = self.embedding.conv1(x).flatten(2).transpose(1, 2) + self.embedding.pos_embedding
        for block in self.encoder:
            y, a = norm(x), block.attention
            y = nn.functional.scaled_dot_product_attention(split(a.queries(y)), split(a.keys(y)), split(a.values(y)))
            y = a.out_projection(y.transpose(1, 2).flatten(2))
            x = block.fc2(torch.relu(block.fc1(norm(y))))
        return self.classifier.fc2(torch.relu(self.classifier.fc1(norm(x).mean(1))))
