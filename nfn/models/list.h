#pragma once
// The kinds of models that read weights: a new one is its file, with a ModelKind of that name, and its line here.

/// X(model), in the order in which they are listed to people.
#define WEFT_MODELS(X) \
  X(magep)             \
  X(transformer_nfn)   \
  X(statnn)            \
  X(balanced_statnn)   \
  X(ridge)             \
  X(mlp)               \
  X(inr_magep)         \
  X(inr_magep_flips)   \
  X(inr_sine)          \
  X(inr_monomial)      \
  X(inr_np)            \
  X(inr_hnp)           \
  X(graph)             \
  X(probes)            \
  X(image_probes)      \
  X(token_probes)      \
  X(edit_magep)        \
  X(edit_sine)         \
  X(edit_monomial)     \
  X(edit_np)           \
  X(edit_hnp)          \
  X(unedited)
