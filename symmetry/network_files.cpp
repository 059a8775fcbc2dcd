#include "weft/symmetry/network_files.h"

#include <algorithm>

#include "weft/io/text.h"
#include "weft/networks/files/file_architecture.h"
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

NumberType coarsest(const NetworkFile& n) {
  return n.source ? n.source->coarsest : number_type(n.weights.at(0).dtype());
}

/// Weights that are moved and rounded again, products of two of them, and matrices that enlarge what rounding did.
/// Float64 often holds what was float32 before.
double tolerance_of(NumberType coarsest) {
  constexpr double least = 1e-4, roundings = 20;
  const double value = std::max(least, roundings * rounding(coarsest));
  if (!(value < 1))
    throw UsageError(
        "[same] {} rounds numbers by up to {:g} of their size, by which hardly any two networks are told "
        "apart; allowed: such files with a --tolerance",
        name(coarsest), rounding(coarsest));
  return value;
}

/// Tensors that both files carry along beside their networks, with other numbers in each.
std::vector<std::string> apart(const NetworkFile& a, const NetworkFile& b) {
  std::vector<std::string> out;
  if (!a.source || !b.source) return out;
  const TensorFile &x = a.source->file, &y = b.source->file;
  for (const std::string& name : uncovered(x, a.source->architecture.files)) {
    if (!y.contains(name) || !StoredTensor{name, {}}.is_weight()) continue;
    const FileTensor &one = x.tensor(name), &other = y.tensor(name);
    if (one.type != other.type || one.shape != other.shape || x.packed(name) != y.packed(name)) out.push_back(name);
  }
  return out;
}

/// Fills in what is found, and whether it is of the folded networks.
void compare(const NetworkFile& a, const NetworkFile& b, bool after_norm, FileEquivalence& out) {
  NetworkEquivalence& found = out.found;
  if (attention_alone(a) && attention_alone(b)) {
    AttentionEquivalence attention = compare_attention(
        module(a), module(b),
        {.tolerance = out.tolerance, .rounding = std::max(0x1p-24, rounding(out.coarsest)), .after_norm = after_norm});
    found.decision = attention.decision;
    if (attention.element) found.element = {std::move(attention.element->element), attention.element->residual};
    if (auto& w = attention.witness) found.witness = {w->x, w->y_a, w->y_b, w->difference};
    return;
  }
  if (after_norm)
    throw UsageError(
        "[same] after_norm (--after-norm) is for files of attention alone: the space of attention_space(), WQ WK WV "
        "WO");
  if (a.space == b.space) found = compare_networks(a.space, a.weights, b.weights, out.tolerance);
  if (found.decision == Decision::same) return;
  // They may be at other points of a shift's orbit, or one of them is folded already.
  const std::optional<NetworkFile> folded_a = folded(a), folded_b = folded(b);
  const NetworkFile &x = folded_a ? *folded_a : a, &y = folded_b ? *folded_b : b;
  if ((folded_a || folded_b) && x.space == y.space) {
    NetworkEquivalence again = compare_networks(x.space, x.weights, y.weights, out.tolerance);
    if (again.decision == Decision::same || a.space != b.space) {
      found = std::move(again);
      out.folded = true;
      return;
    }
  }
  if (a.space != b.space)
    throw FormatError("[same] {} is a network of\n  {}\nand {} of\n  {}\nallowed: one space, or attention alone",
                      called(a), in_words(a), called(b), in_words(b));
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
  FileEquivalence out;
  out.coarsest = rounding(coarsest(a)) > rounding(coarsest(b)) ? coarsest(a) : coarsest(b);
  out.tolerance = o.tolerance ? *o.tolerance : tolerance_of(out.coarsest);
  out.apart = apart(a, b);
  compare(a, b, o.after_norm, out);
  if (!out.apart.empty() && out.found.decision == Decision::same) out.found.decision = Decision::undecided;
  return out;
}

}  // namespace weft
