#include "weft/symmetry/network_files.h"

#include "weft/io/text.h"
#include "weft/networks/files/fold.h"
#include "weft/symmetry/attention.h"

namespace weft {
namespace {

std::string called(const NetworkFile& n) { return n.source ? in_quotes(n.source->file.file()) : "a network"; }

bool attention_alone(const NetworkFile& n) {
  if (n.space.find_tensor("WQ") < 0 || n.weights.size() != 4) return false;
  for (const char* name : {"WK", "WV", "WO"})
    if (n.space.find_tensor(name) < 0) return false;
  const Shape q = n.space.axes_shape(n.space.tensor("WQ")), v = n.space.axes_shape(n.space.tensor("WV"));
  return q.rank() == 3 && v.rank() == 3 && n.space == attention_space(q[1], q[0], q[2], v[2]);
}

AttentionModule module(const NetworkFile& n) {
  auto weight = [&](const char* name) { return n.weights[static_cast<std::size_t>(n.space.tensor(name))][0][0]; };
  return {weight("WQ"), weight("WK"), weight("WV"), weight("WO")};
}

/// The network with its norms and shifts folded, where its text has folds.
std::optional<NetworkFile> folded(const NetworkFile& network) {
  if (!network.source || network.source->architecture.files.text.folds.empty()) return {};
  Folded out = fold(network.source->architecture, network.weights);
  return NetworkFile{std::move(out.files.space), std::move(out.weights)};
}

}  // namespace

std::pair<NetworkReading, NetworkReading> readings_of_two(const std::filesystem::path& a,
                                                          const std::filesystem::path& b, const NetworkReading& given) {
  NetworkReading of_a = given, of_b = given;
  if (!of_a.config) {
    // A config beside one of them serves the other, where there is none.
    of_a.config = config_beside(a);
    of_b.config = config_beside(b);
    for (auto [own, other] : {std::pair{&of_a.config, &of_b.config}, std::pair{&of_b.config, &of_a.config}})
      if ((*own)->object()->empty()) *own = *other;
  }
  return {std::move(of_a), std::move(of_b)};
}

FileEquivalence compare_network_files(const NetworkFile& a, const NetworkFile& b, const FileComparison& o) {
  for (const NetworkFile* file : {&a, &b})
    if (const auto found = file->metadata.find("activation"); found != file->metadata.end() && found->second == "sin")
      throw UsageError(
          "[same] {} is a network of sines, whose neurons can be shifted, too; allowed: networks whose group is that "
          "of their space",
          called(*file));
  if (attention_alone(a) && attention_alone(b)) {
    AttentionEquivalence found = compare_attention(
        module(a), module(b), {.tolerance = o.tolerance, .rounding = 0x1p-24, .after_norm = o.after_norm});
    NetworkEquivalence out{found.decision, {}, {}, {}};
    if (found.element) out.element = {std::move(found.element->element), found.element->residual};
    if (auto& w = found.witness) out.witness = {w->x, w->y_a, w->y_b, w->difference};
    return {std::move(out)};
  }
  if (o.after_norm)
    throw UsageError(
        "[same] after_norm (--after-norm) is for files of attention alone: the space of attention_space(), WQ WK WV "
        "WO");
  NetworkEquivalence found;
  if (a.space == b.space) found = compare_networks(a.space, a.weights, b.weights, o.tolerance);
  if (found.decision == Decision::same) return {std::move(found)};
  // They may be at other points of a shift's orbit, or one of them is folded already.
  const std::optional<NetworkFile> folded_a = folded(a), folded_b = folded(b);
  const NetworkFile &x = folded_a ? *folded_a : a, &y = folded_b ? *folded_b : b;
  if ((folded_a || folded_b) && x.space == y.space) {
    NetworkEquivalence again = compare_networks(x.space, x.weights, y.weights, o.tolerance);
    if (again.decision == Decision::same || a.space != b.space) return {std::move(again), true};
  }
  if (a.space != b.space)
    throw FormatError("[same] {} is a network of\n  {}\nand {} of\n  {}\nallowed: one space, or attention alone",
                      called(a), in_words(a), called(b), in_words(b));
  return {std::move(found)};
}

}  // namespace weft
