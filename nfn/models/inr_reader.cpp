// Readers of implicit networks (spec 9.3): one frame, the InrClassifier, with each kind of layers, and for each part of
// the group of sine networks.

#include "weft/nfn/models/inr_classifier.h"
#include "weft/nfn/models/inr_space.h"
#include "weft/nfn/models/reader.h"

namespace weft {
namespace {

using Respects = InrClassifier::Respects;

class InrReader final : public Reader {
 public:
  InrReader(const char* kind, const Settings& s, const Space& space, std::int64_t outputs, InrLayers layers,
            Respects respects)
      : Reader(kind, s, space, outputs),
        respects_(respects),
        classifier_({.widths = sine_widths(space),
                     .kind = layers,
                     .respects = respects,
                     .frequencies = s.whole("frequencies"),
                     .d = s.whole("channels"),
                     .hidden = s.whole("hidden"),
                     .classes = outputs,
                     .layers = static_cast<int>(s.whole("equivariant_layers")),
                     .dropout = s.number("dropout")},
                    *this) {}

  std::optional<SineMoves> sine_moves() const override {
    return SineMoves{.permute = true, .flip = respects_ != Respects::permutations, .shift = respects_ == Respects::all};
  }
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>& training) const override {
    return classifier_(Features::constant(tape, classifier_.space(), prepared), training);
  }

 private:
  Respects respects_;
  InrClassifier classifier_;
};

template <InrLayers layers, Respects respects>
ModelKind kind_of(const char* name, const char* text, std::int64_t frequencies) {
  return {.name = name,
          .text = text,
          .reads_text = "implicit networks",
          .reads = is_sine_network,
          .settings = {channels_setting(64), equivariant_layers_setting(3), hidden_setting(1000),
                       frequencies_setting(frequencies), dropout_setting(0.1)},
          .training = {{"batch", 32}, {"warmup", 1}},
          .make = [](const ModelKind& kind, const Settings& settings, const Space& space,
                     std::int64_t outputs) -> std::unique_ptr<Reader> {
            return std::make_unique<InrReader>(kind.name, settings, space, outputs, layers, respects);
          }};
}

}  // namespace

extern const ModelKind inr_magep_model = kind_of<InrLayers::magep, Respects::permutations>(
    "inr-magep", "MAGEP on sines and cosines of implicit networks' weights: respects permutations", 128);
extern const ModelKind inr_magep_flips_model = kind_of<InrLayers::magep, Respects::flips>(
    "inr-magep-flips", "the same on sines alone: respects flips of neurons, too", 128);
extern const ModelKind inr_sine_model = kind_of<InrLayers::magep, Respects::all>(
    "inr-sine", "MAGEP on products of parities: respects permutations, flips and shifts", 32);
extern const ModelKind inr_monomial_model = kind_of<InrLayers::monomial, Respects::flips>(
    "inr-monomial", "linear layers of monomial groups on sines: respect permutations and flips", 128);
extern const ModelKind inr_np_model = kind_of<InrLayers::np, Respects::permutations>(
    "inr-np", "linear layers of permutations, of the ends too (NP), on sines and cosines", 128);
extern const ModelKind inr_hnp_model = kind_of<InrLayers::hnp, Respects::permutations>(
    "inr-hnp", "linear layers of hidden permutations (HNP) on sines and cosines", 128);

}  // namespace weft
