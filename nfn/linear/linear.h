#pragma once
// Linear equivariant layers from their term lists (spec 4, 7.4), and the first layer on Gaussian Fourier features.

#include <optional>
#include <string>
#include <string_view>

#include "weft/nfn/linear/mixing.h"
#include "weft/nfn/linear/pieces.h"
#include "weft/nfn/list_layer.h"

namespace weft {

/// d -> e channels by a list of terms of degree 1 and 0, as derive_linear writes it. What the list computes, with its
/// names of parameters. The list decides how it runs: plain products (spec 4.1) as one hand-written node with one
/// product per term, network and value of the fixed indices; sums and broadcasts (spec 4.2) as one node that takes
/// every sum once and has one product over the batch for all terms that share them; others (diagonals, heads, shared
/// phis) on the interpreter, and on a device all of them.
class LinearLayer final : public EquivariantLayer {
 public:
  /// start: as ListLayer::declare has it. Throws what TermList throws.
  LinearLayer(const Module& parent, std::string_view name, const Space& in, const Space& out, const std::string& terms,
              std::int64_t d, std::int64_t e, std::span<const double> start = {});

 private:
  friend class FourierLinear;
  void run(const Features& x, std::span<const Var> learned, std::span<Var> y, const LayerInput& input) const override;

  std::optional<linear::Pieces> pieces_;
  std::optional<linear::Mixing> mixing_;
};

/// Gaussian Fourier features of every entry x (spec 2.6): sin(2π f_m x) and, unless `sines` is set, cos(2π f_m x);
/// m frequencies f ~ deviation N(0, 1), frozen. With cosines the features are even and odd, so that only permutations
/// of the hidden neurons are left of the group; sines alone keep signs.
struct FourierOptions {
  std::int64_t frequencies = 128;
  double deviation = 3;
  bool sines = false;
};

/// LinearLayer on the Fourier features of raw weights (one channel): 2 m (or m) -> e channels. The features are made
/// tile by tile inside the products, forward and again in the backward pass, and never written to memory; of many
/// float32 weights in a narrow range they are interpolated (nfn/linear/interpolation.h); on a device they are
/// fourier_features().
class FourierLinear {
 public:
  /// Throws UsageError when the list is not one of plain products, or the space has taps.
  FourierLinear(const Module& parent, std::string_view name, const Space& in, const Space& out,
                const std::string& terms, const FourierOptions& options, std::int64_t e,
                std::span<const double> start = {});

  const TermList& list() const { return linear_.list(); }
  /// x: [B, 1, axes…] without gradient; throws UsageError when one is wanted, TypeError where the group does not allow
  /// the features.
  Features operator()(const Features& x) const;
  Features apply(const Features& x, const Var& frequencies, std::span<const Var> learned) const;

 private:
  FourierOptions options_;
  LinearLayer linear_;
  int frequencies_;
};

/// The features themselves, the reference of FourierLinear: x [B, 1, axes…], frequencies [m] -> [B, 2 m (or m), axes…],
/// sines first.
/// vjp   gx = Σ_m 2π f_m (gsin_m cos - gcos_m sin); frequencies are constants
Var fourier_features(const Var& x, const Var& frequencies, bool sines);

}  // namespace weft
