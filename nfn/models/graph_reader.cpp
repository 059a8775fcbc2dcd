// The graph network as a reader (spec 9.5).

#include <algorithm>

#include "weft/nfn/graph/graph_network.h"
#include "weft/nfn/magep/tables.h"
#include "weft/nfn/models/inr_space.h"
#include "weft/nfn/models/reader.h"

namespace weft {
namespace {

bool has_scales(const Space& space) {
  return std::ranges::any_of(space.factors(), [](const Factor& f) { return f.kind->scales == Scales::positive; });
}

class GraphReader final : public Reader {
 public:
  GraphReader(const char* kind, const Settings& s, const Space& space, std::int64_t outputs)
      : Reader(kind, s, space, outputs),
        network_(space,
                 {.d = s.whole("channels"),
                  .rounds = s.whole("rounds"),
                  .hidden = s.whole("hidden"),
                  .outputs = outputs,
                  .scales = has_scales(space)},
                 *this) {}

  std::vector<FixedAxis> fixed_axes() const override { return fixed_axes_of(space_); }
  std::optional<SineMoves> sine_moves() const override {
    if (!is_sine_network(space_)) return {};
    return SineMoves{.permute = true};
  }
  Var forward(Tape& tape, std::span<const Tensor> prepared, const std::optional<RandomKey>&) const override {
    return network_(Features::constant(tape, network_.space(), prepared));
  }

 private:
  GraphNetwork network_;
};

}  // namespace

extern const ModelKind graph_model{
    .name = "graph",
    .text = "a graph network of neurons and weights: respects permutations, and positive scales where there are some",
    .reads_text = "dense and convolutional networks",
    .reads = magep::is_chain,
    .settings = {channels_setting(32),
                 {.name = "rounds",
                  .text = "of messages",
                  .usual = 3,
                  .low = 1,
                  .high = 100,
                  .why = "each keeps features of the whole batch"},
                 hidden_setting(256)},
    .training = {},
    .make = [](const ModelKind& kind, const Settings& settings, const Space& space, std::int64_t outputs)
        -> std::unique_ptr<Reader> { return std::make_unique<GraphReader>(kind.name, settings, space, outputs); }};

}  // namespace weft
