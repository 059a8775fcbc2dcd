#pragma once
// Forward passes of the networks whose weights weft reads (spec 1.1, 1.2): one network per batch entry, each on its own
// inputs. The weights are features of their space with one channel; with their types the engine checks that every step
// respects the group.

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "weft/autograd/tape.h"
#include "weft/ops/pointwise_kernels.h"
#include "weft/ops/view.h"

namespace weft {

/// ω of implicit networks (spec 9.1): sin(30 (W x + b)).
inline constexpr double siren_omega = 30;

/// weights: W1 b1 … W{L} b{L} of mlp_space, [B, C, …]: C networks of each batch entry, usually one.
/// x: [B, C, n, n_0], or [n, n_0] for all of them -> [B, C, n, n_L]. Between layers: act with parameter p (the usual
/// one when none is given); SIREN is sin with p = omega, also before the first hidden layer's output (Sitzmann et al.
/// 2020).
Var mlp_forward(std::span<const Var> weights, Var x, UnaryOp act, std::optional<double> p = {});

/// weights: W1 b1 … of cnn_space, [B, taps, …], plain types. x: [B, n, C, H, W]. Convolutions (one per entry of
/// `layers`) with activation, mean over the image, then the dense layers that are left, with the activation between
/// them -> [B, n, n_L]. Throws ShapeError without a dense layer, or for images of another rank.
/// after(layer, y) is what becomes of a convolution's activated output [B, n, C, H, W], say dropout; nothing when
/// empty.
Var cnn_forward(std::span<const Var> weights, std::span<const PatchShape> layers, Var x, UnaryOp act,
                const std::function<Var(std::size_t layer, const Var& y)>& after = {});

/// Attention of spec 1.2. q, k, v, o: WQ WK WV WO [B, 1, h, …]. x: [B, 1, n, D] -> [B, 1, n, D].
Var attention_forward(const Var& x, const Var& q, const Var& k, const Var& v, const Var& o);

inline constexpr std::size_t transformer_block_tensors = 8;

/// One block of spec 1.2 or, with residual stream, 1.4. block: WQ WK WV WO WA bA WB bB. x: [B, 1, n, D].
/// after(place, y) is what becomes of what attention (place 0) and the MLP (place 1) give, before the stream is added.
/// Throws ShapeError for another number of tensors.
Var transformer_block_forward(std::span<const Var> block, const Var& x, bool residual,
                              const std::function<Var(std::size_t place, const Var& y)>& after = {});

/// A network of spec 6.1 behind its embedding. weights: its blocks' and W1 b1 W2 b2. x: [B, 1, n, D] -> [B, classes].
/// after(place, y): as in a block, of place 2 b and 2 b + 1 in block b. Throws ShapeError for another number of
/// tensors.
Var transformer_forward(std::span<const Var> weights, Var x, bool residual,
                        const std::function<Var(std::size_t place, const Var& y)>& after = {});

/// Each network's weights n times, for n inputs of its own: [B, 1, axes…], plain types -> [B n, 1, axes…]. One or more.
std::vector<Var> repeated_weights(std::span<const Var> weights, std::int64_t n);

}  // namespace weft
