#pragma once
// The architectures whose networks zoos hold: a new one is its folder, or file, with an InputArchitecture of that name,
// and its line here.

/// X(architecture); the first is the usual one.
#define WEFT_ARCHITECTURES(X) \
  X(cnn)                      \
  X(resnet)                   \
  X(siren)                    \
  X(vit)                      \
  X(text)
