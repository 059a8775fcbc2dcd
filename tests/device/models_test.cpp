// Every model on the device against the CPU: values and all gradients, dropout included.

#include "weft/nfn/forward.h"
#include "weft/nfn/graph/graph_network.h"
#include "weft/nfn/models/inr_classifier.h"
#include "weft/nfn/models/inr_editor.h"
#include "weft/nfn/models/reader.h"
#include "weft/nfn/probes.h"
#include "weft/nn/layers.h"
#include "weft/nn/losses.h"
#include "weft/nn/optim.h"
#include "weft/nn/step_recorder.h"
#include "weft/ops/view.h"
#include "weft/tasks/fit.h"
#include "weft/tasks/verify.h"
#include "weft/tests/device/module_checks.h"
#include "weft/tests/model_settings.h"

using namespace weft;
using namespace weft::testing;

namespace {

void check(const ModuleCase& c, const Made& made, const std::string& name) {
  const std::string wrong = check_module(c, made, RandomKey(1, name));
  CHECK_MESSAGE(wrong.empty(), name, ", ", c.space.str(), ": ", wrong);
}

constexpr std::int64_t widths[] = {2, 5, 4, 3};
constexpr std::array<std::int64_t, 2> taps[] = {{3, 2}, {1, 1}, {1, 1}};

struct Kinds {
  const char* kind;
  Space space;
  const char* classifier = "linear";
};
std::vector<Kinds> kinds() {
  const Space dense = cnn_space(widths, taps, FactorKind::positive_monomial);
  return {{"magep", dense},
          {"magep", cnn_space(widths, taps, FactorKind::sign_monomial)},
          {"transformer-nfn", transformer_network_space({4, 5, 2, 3, 2, 2}, {3, 4, 3})},
          {"transformer-nfn", transformer_network_space({4, 5, 2, 3, 2, 2}, {3, 4, 3}), "magep"},
          {"statnn", dense},
          {"balanced-statnn", dense},
          {"mlp", dense}};
}

std::unique_ptr<Reader> model_of(const Kinds& k, DType dtype, Backend* backend) {
  return make_reader(
      k.kind,
      of_kind(k.kind,
              {{"channels", 3}, {"equivariant_layers", 1}, {"hidden", 6}, {"classifier", std::string(k.classifier)}}),
      k.space, dtype, RandomKey(5, "models"), backend);
}

/// Loss and gradients of a small INR classifier with dropout, on the same networks at each step.
struct InrStep {
  Arena arena{device().memory()};
  Tape tape{arena};
  InrClassifier model{{.widths = {2, 4, 3, 1}, .d = 3, .hidden = 5, .layers = 1, .dropout = 0.4}};
  std::vector<Tensor> networks;
  Tensor loss = Tensor::zeros({1}, DType::f32, &device()), labels = Tensor::zeros({6}, DType::i32, &device()),
         number = Tensor::zeros({sizeof(std::uint64_t)}, DType::u8, &device());

  InrStep() {
    model.init(RandomKey(8, "inr step"), DType::f32, &device());
    for (int t = 0; t < static_cast<int>(model.space().tensors().size()); ++t)
      networks.push_back(
          normals_of<float>(model.space().feature_shape(t, 6, 1), static_cast<std::uint64_t>(t)).on(&device()));
  }
  void work() {
    tape.reset();
    model.parameters().flat_grads().fill(0);
    const Features x = Features::constant(tape, model.space(), networks);
    const RandomKey key = RandomKey(9, "inr step").counted(static_cast<const std::uint64_t*>(number.raw()));
    const Var mean = mean_all(cross_entropy(model(x, key), labels));
    loss.copy_from(reshape(mean, {1}).value());
    tape.backward(mean);
  }
};

}  // namespace

TEST_CASE("a recorded step of the INR classifier is the launched one, and draws its dropout anew") {
  InrStep launched, recorded;
  StepRecorder recorder(&device());
  std::vector<Tensor> losses;
  for (std::uint64_t step = 0; step < 5; ++step) {
    for (const InrStep* s : {&launched, &recorded}) device().upload(s->number.raw(), &step, sizeof step);
    launched.work();
    recorder.run([&] { recorded.work(); });
    CHECK(recorder.refusal() == "");
    CHECK(recorder.recorded() == (step > 0));
    CHECK(same_bits(recorded.loss.on(nullptr), launched.loss.on(nullptr)));
    CHECK(same_bits(recorded.model.parameters().flat_grads().on(nullptr),
                    launched.model.parameters().flat_grads().on(nullptr)));
    for (const Tensor& before : losses) CHECK(!same_bits(recorded.loss.on(nullptr), before));
    losses.push_back(recorded.loss.on(nullptr));
  }
}

TEST_CASE("the INR classifier and the INR editor") {
  using Respects = InrClassifier::Respects;
  for (const auto& [kind, respects] : {std::pair{InrLayers::magep, Respects::permutations},
                                       {InrLayers::magep, Respects::flips},
                                       {InrLayers::magep, Respects::all},
                                       {InrLayers::monomial, Respects::flips},
                                       {InrLayers::hnp, Respects::permutations}}) {
    const InrClassifier::Config config{.widths = {2, 4, 3, 1},
                                       .kind = kind,
                                       .respects = respects,
                                       .frequencies = 3,
                                       .deviation = 1,
                                       .d = 3,
                                       .hidden = 5,
                                       .classes = 3,
                                       .layers = 1,
                                       .dropout = 0.2};
    const Space space = InrClassifier(config).space();
    check(
        {space, 1, false},
        [&](const Module& model) -> Run {
          const auto classifier = std::make_shared<InrClassifier>(config, model);
          return [=](const Features& x) { return Vars{(*classifier)(x, RandomKey(2, "training"))}; };
        },
        "inr_classifier");
  }
  const InrEditor::Config config{
      .widths = {2, 4, 3, 3}, .lift = 2, .mixed = 3, .d = 4, .layers = 1, .frequencies = 3, .deviation = 1};
  const Space space = InrEditor(config).space();
  check(
      // Gradients of a bias's small channels are what large terms leave when they cancel.
      {.space = space, .float32 = 1e-3},
      [&](const Module& model) -> Run {
        const auto editor = std::make_shared<InrEditor>(config, model);
        return [=](const Features& x) {
          const Features y = (*editor)(x);
          return Vars(y.vars().begin(), y.vars().end());
        };
      },
      "inr_editor");
}

TEST_CASE("the graph network and probes") {
  for (const bool scales : {false, true}) {
    const GraphNetwork::Config config{.d = 4, .rounds = 2, .hidden = 5, .outputs = 3, .scales = scales};
    const Space given = cnn_space(widths, taps, FactorKind::positive_monomial),
                space = GraphNetwork(given, config).space();
    check(
        {space},
        [&](const Module& model) -> Run {
          const auto network = std::make_shared<GraphNetwork>(given, config, model);
          return [=](const Features& x) { return Vars{(*network)(x)}; };
        },
        "graph_network");
  }
  const Probes::Forward siren{.run =
                                  [](std::span<const Var> weights, const Var& points) {
                                    const Shape& s = points.shape();
                                    return mlp_forward(weights, reshape(points, {s[0], 1, s[1], s[2]}), UnaryOp::Sin);
                                  },
                              .outputs = 3};
  check(
      {mlp_space(widths, FactorKind::sign_monomial)},
      [&](const Module& model) -> Run {
        const auto probes = std::make_shared<Probes>(Probes::Config{.points = 4, .hidden = 5}, siren, model);
        return [=](const Features& x) { return Vars{(*probes)(x.vars())}; };
      },
      "probes");
}

TEST_CASE("dense layers with norm and dropout") {
  const Space space = Space::parse("f: fixed(7) x[f]");
  check(
      {space, 2},
      [](const Module& model) -> Run {
        const auto mlp = std::make_shared<Mlp>(model, "mlp", std::vector<std::int64_t>{14, 9, 9, 2}, true);
        return [=](const Features& x) {
          return Vars{(*mlp)(dropout(reshape(x["x"], {x.batch(), 14}), 0.4, RandomKey(3, "dropout")))};
        };
      },
      "mlp");
}

TEST_CASE("a training step of every reader: the CPU's numbers, no new memory, the same addresses") {
  for (const Kinds& k : kinds()) {
    CAPTURE(k.kind);
    const auto here = model_of(k, DType::f64, nullptr), there = model_of(k, DType::f64, &device());
    std::vector<Tensor> weights;
    for (int t = 0; t < static_cast<int>(k.space.tensors().size()); ++t) {
      weights.push_back(Tensor::zeros(k.space.feature_shape(t, 4, 1), DType::f64));
      fill_normal(weights.back(), RandomKey(6, "weights").at(static_cast<std::uint64_t>(t)), 0, 0.5);
    }
    for (Reader* model : {here.get(), there.get()}) model->standardise(weights);
    const std::vector<Tensor> prepared = here->prepare(weights);
    std::vector<Tensor> placed;
    for (const Tensor& t : prepared) placed.push_back(t.on(&device()));
    Arena host, memory(device().memory());
    Tape tape_here(host), tape_there(memory);
    const Tensor target = Tensor::zeros({4, 1}, DType::f64);
    target.fill(0.25);
    const Tensor target_there = target.on(&device());
    Optimiser adam_here(here->parameters(), UpdateRule::adam()), adam_there(there->parameters(), UpdateRule::adam());
    const void* address = nullptr;
    std::size_t reserved = 0;
    for (int step = 0; step < 3; ++step) {
      const Var expected = mean_all(binary_cross_entropy_with_logits(here->forward(tape_here, prepared), target));
      tape_here.backward(expected);
      adam_here.step(1e-2);
      adam_there.begin_step(1e-2);
      const Var got = mean_all(binary_cross_entropy_with_logits(there->forward(tape_there, placed), target_there));
      tape_there.backward(got);
      adam_there.update();
      CHECK(distance(got.value().on(nullptr), expected.value()) < 1e-9);
      if (step > 0) CHECK(got.value().raw() == address);
      if (step > 0) CHECK(memory.reserved() == reserved);
      address = got.value().raw();
      reserved = memory.reserved();
      tape_here.reset();
      tape_there.reset();
    }
    adam_there.check();
    // Adam's first steps divide gradients by their own size: those of almost 0 go anywhere.
    CHECK(distance(there->parameters().flat_values().on(nullptr), here->parameters().flat_values()) < 1e-4);
  }
}

TEST_CASE("an editor shows the same pixels") {
  constexpr std::int64_t side = 3, outputs = widths[3] * side * side;
  const Space space = mlp_space(widths, FactorKind::sign_monomial);
  std::vector<Tensor> weights;
  for (int t = 0; t < static_cast<int>(space.tensors().size()); ++t)
    weights.push_back(normals_of<double>(space.feature_shape(t, 4, 1), static_cast<std::uint64_t>(t)));
  const auto said = [&](Backend* backend) {
    const auto model = make_reader(
        "edit-sine", {{"channels", 3}, {"equivariant_layers", 1}, {"frequencies", 3}, {"output_channels", 2}}, space,
        DType::f64, RandomKey(7, "editor"), backend, outputs);
    return predict_outputs(*model, model->prepare(weights));
  };
  const std::vector<double> here = said(nullptr), there = said(&device());
  CHECK(here.size() == 4 * outputs);
  CHECK(here[0] != here[3]);
  CHECK(relative_error(there, here) < 1e-9);
}

TEST_CASE("verify on the device") {
  for (const Kinds& k : kinds()) {
    if (std::string_view(k.kind) == "statnn" || std::string_view(k.kind) == "mlp") continue;
    CAPTURE(k.kind);
    for (const VerifyRow& row : verify_invariance(*model_of(k, DType::f64, &device()), 5)) {
      CAPTURE(row.check);
      CAPTURE(row.error);
      CHECK(row.passed);
    }
  }
}
