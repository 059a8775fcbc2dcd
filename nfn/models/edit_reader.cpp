#include "weft/nfn/models/edit_reader.h"

#include <cmath>

#include "weft/nfn/models/inr_editor.h"
#include "weft/nfn/models/inr_space.h"
#include "weft/nfn/models/rendering.h"
#include "weft/nfn/models/sine_editor.h"
#include "weft/ops/operators.h"
#include "weft/ops/view.h"

namespace weft {

EditReader::EditReader(const char* kind, const Settings& settings, const Space& space, std::int64_t outputs)
    : Reader(kind, settings, space, outputs) {
  const std::int64_t channels = sine_widths(space).back();
  side_ = std::lround(std::sqrt(static_cast<double>(outputs) / static_cast<double>(channels)));
  if (side_ * side_ * channels != outputs)
    throw UsageError("[{}] images of {} numbers by networks of {} channels; allowed: square ones", kind, outputs,
                     channels);
}

Var EditReader::forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const {
  const Tensor places = pixel_places(tape, side_, side_, prepared[0].dtype());
  const Features networks = edited(tape, prepared);
  // What is shown has no type any more; hidden neurons are summed over.
  const Var y = rendered(networks.vars(), tape.constant(places));
  return reshape(0.5 * (y + 1), {y.shape()[0], outputs()});
}

WideNetworks as_one(const Space& space, std::span<const Tensor> networks) {
  std::vector<std::int64_t> widths = sine_widths(space);
  const std::int64_t B = networks[0].dim(0), k = networks[0].dim(1);
  for (std::size_t l = 1; l + 1 < widths.size(); ++l) widths[l] *= k;
  WideNetworks wide{mlp_space(widths, FactorKind::sign_monomial), {}};
  for (std::size_t t = 0; t < networks.size(); ++t) {
    const Tensor from = networks[t].to(DType::f64),
                 to = Tensor::zeros(wide.space.feature_shape(static_cast<int>(t), B, 1), DType::f64);
    const bool bias = t % 2 == 1, first = t < 2, last = t + 2 >= networks.size();
    const std::int64_t m = from.dim(2), n = bias ? 1 : from.dim(3), columns = bias ? 1 : to.dim(3), rows = to.dim(2);
    for (std::int64_t b = 0; b < B; ++b)
      for (std::int64_t c = 0; c < k; ++c)
        for (std::int64_t i = 0; i < m; ++i)
          for (std::int64_t j = 0; j < n; ++j) {
            const double x = from.data<double>()[((b * k + c) * m + i) * n + j];
            const std::int64_t row = last ? i : c * m + i, column = bias || first ? j : c * n + j;
            // The mean of what the networks show.
            to.data<double>()[(b * rows + row) * columns + column] += last ? x / static_cast<double>(k) : x;
          }
    wide.weights.push_back(to.to(networks[t].dtype()));
  }
  return wide;
}

WideNetworks edited_networks(const EditReader& editor, std::span<const Tensor> weights) {
  Backend* backend = editor.parameters().backend();
  Tape tape(backend);
  const NoGrad no_grad(tape);
  std::vector<Tensor> prepared, networks;
  for (const Tensor& t : editor.prepare(weights)) prepared.push_back(t.placed_on(backend));
  const Features y = editor.edited(tape, prepared);
  for (const Var& t : y.vars()) {
    networks.push_back(t.value().placed_on(nullptr).clone());
    const Tensor wide = networks.back().to(DType::f64);
    for (const double x : wide.span<double>())
      if (!std::isfinite(x))
        throw NumericError(
            "[edit] the edited network is not finite; are its weights of the size that the model was trained on?");
  }
  return as_one(editor.space(), networks);
}

namespace {

/// An editor of implicit networks as such a reader.
template <class Editor>
class Edits final : public EditReader {
 public:
  Edits(const char* kind, const Settings& settings, const Space& space, std::int64_t outputs,
        const typename Editor::Config& config, const SineMoves& respects)
      : EditReader(kind, settings, space, outputs), editor_(config, *this), respects_(respects) {}

  Features edited(Tape& tape, std::span<const Tensor> prepared) const override {
    return editor_(Features::constant(tape, editor_.space(), prepared));
  }
  std::optional<SineMoves> sine_moves() const override { return respects_; }

 private:
  Editor editor_;
  SineMoves respects_;
};

/// Networks as they are: what editing has to be better than. The update is 0 times the network; that factor is not
/// trained.
class Unedited final : public EditReader {
 public:
  Unedited(const char* kind, const Settings& settings, const Space& space, std::int64_t outputs)
      : EditReader(kind, settings, space, outputs), scale_(*this, "scale", space, 0) {}
  bool solve(std::span<const Tensor>, std::span<const double>) override { return true; }
  Features edited(Tape& tape, std::span<const Tensor> prepared) const override {
    const Features x = Features::constant(tape, space_, prepared);
    return x + scale_(x);
  }
  std::optional<SineMoves> sine_moves() const override {
    return SineMoves{.permute = true, .flip = true, .shift = true};
  }

 private:
  LearnedScale scale_;
};

Setting outputs_setting() {
  return {.name = "output_channels",
          .text = "networks that an editor returns, whose mean is the edited one",
          .usual = 1,
          .low = 1,
          .high = 64,
          .why = "each is rendered"};
}

template <InrLayers layers>
std::unique_ptr<Reader> make_layers(const ModelKind& kind, const Settings& s, const Space& space,
                                    std::int64_t outputs) {
  const InrEditor::Config config{.widths = sine_widths(space),
                                 .kind = layers,
                                 .d = s.whole("channels"),
                                 .layers = static_cast<int>(s.whole("equivariant_layers")),
                                 .frequencies = s.whole("frequencies"),
                                 .outputs = s.whole("output_channels")};
  return std::make_unique<Edits<InrEditor>>(kind.name, s, space, outputs, config,
                                            SineMoves{.permute = true, .flip = layers == InrLayers::monomial});
}

std::unique_ptr<Reader> make_sine(const ModelKind& kind, const Settings& s, const Space& space, std::int64_t outputs) {
  const SineEditor::Config config{.widths = sine_widths(space),
                                  .frequencies = s.whole("frequencies"),
                                  .d = s.whole("channels"),
                                  .layers = static_cast<int>(s.whole("equivariant_layers")),
                                  .outputs = s.whole("output_channels")};
  return std::make_unique<Edits<SineEditor>>(kind.name, s, space, outputs, config,
                                             SineMoves{.permute = true, .flip = true, .shift = true});
}

std::unique_ptr<Reader> make_unedited(const ModelKind& kind, const Settings& s, const Space& space,
                                      std::int64_t outputs) {
  return std::make_unique<Unedited>(kind.name, s, space, outputs);
}

ModelKind kind_of(const char* name, const char* text, std::int64_t frequencies, decltype(ModelKind::make) make) {
  return {.name = name,
          .text = text,
          .reads_text = "implicit networks",
          .reads = is_sine_network,
          .edits = true,
          .settings = {channels_setting(64), equivariant_layers_setting(3), frequencies_setting(frequencies),
                       outputs_setting()},
          .training = {{"batch", 32}, {"warmup", 1}},
          .make = make};
}

}  // namespace

extern const ModelKind edit_magep_model =
    kind_of("edit-magep", "MAGEP's editor of implicit networks (spec 2.6)", 128, make_layers<InrLayers::magep>);
extern const ModelKind edit_sine_model =
    kind_of("edit-sine", "an editor that respects permutations, flips and shifts of sine networks", 32, make_sine);
extern const ModelKind edit_monomial_model =
    kind_of("edit-monomial", "an editor by linear layers of monomial groups", 128, make_layers<InrLayers::monomial>);
extern const ModelKind edit_np_model =
    kind_of("edit-np", "an editor by NP's linear layers", 128, make_layers<InrLayers::np>);
extern const ModelKind edit_hnp_model =
    kind_of("edit-hnp", "an editor by HNP's linear layers", 128, make_layers<InrLayers::hnp>);
extern const ModelKind unedited_model{.name = "unedited",
                                      .text = "implicit networks as they are, the least that an editor must beat",
                                      .reads_text = "implicit networks",
                                      .reads = is_sine_network,
                                      .edits = true,
                                      .settings = {},
                                      .training = {},
                                      .solved = true,
                                      .make = make_unedited};

}  // namespace weft
