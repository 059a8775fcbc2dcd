#include "weft/networks/files/fold_text.h"

#include <algorithm>

#include "weft/core/error.h"
#include "weft/groups/space_grammar.h"
#include "weft/networks/files/file_text.h"

namespace weft {
namespace {

using Kind = FoldText::Kind;

struct Rule {
  Kind kind;
  const char* word;
  bool over, through, into, eps;  ///< what may stand behind
};

constexpr Rule rules[] = {
    {Kind::untie, "untie", false, false, false, false},
    {Kind::layer_norm, "layer_norm", false, false, false, false},
    {Kind::rms_norm, "rms_norm", false, false, false, false},
    {Kind::batch_norm, "batch_norm", false, false, true, true},
    {Kind::zero, "zero", false, false, false, false},
    {Kind::move, "move", false, true, true, false},
    {Kind::mean, "mean", true, false, true, false},
    {Kind::centre, "centre", true, false, false, false},
    {Kind::stream, "stream", false, false, false, false},
    {Kind::centred_stream, "centred_stream", false, false, false, false},
};

std::vector<std::string> names(Lexer& in, const char* where) {
  std::vector<std::string> out;
  do out.push_back(in.file_name(where));
  while (in.take(","));
  return out;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? " " : ", ") + written_name(name);
  return text;
}

}  // namespace

bool begins_fold(Lexer in) { return take_word(in, "fold") && in.at_letter(); }

FoldText parse_fold(Lexer& in) {
  const Rule* rule = nullptr;
  for (const Rule& known : rules)
    if (take_word(in, known.word)) rule = &known;
  if (!rule) {
    std::string words;
    for (const Rule& known : rules) words += (words.empty() ? "" : ", ") + std::string(known.word);
    in.fail(fmt::format("expected a fold: {}", words));
  }
  FoldText out{rule->kind, names(in, "of what is folded")};
  if (rule->over) {
    if (!take_word(in, "over")) in.fail(fmt::format("expected 'over' and a factor in 'fold {}'", rule->word));
    out.over = in.file_name("of a factor");
    if (in.take("[")) {
      out.from = in.integer("of the first place");
      in.expect("..", "between places");
      if (in.at_digit()) out.to = in.integer("behind the last place");
      in.expect("]", "behind places");
    }
  }
  if (rule->through && take_word(in, "through")) out.through = names(in, "behind 'through'");
  if (rule->into && take_word(in, "into")) out.into = names(in, "behind 'into'");
  if (rule->into && out.through.empty() && out.into.empty())
    in.fail(fmt::format("expected 'into' and a tensor in 'fold {}'", rule->word));
  if (rule->eps) {
    if (!take_word(in, "eps")) in.fail(fmt::format("expected 'eps' and a number in 'fold {}'", rule->word));
    out.eps = in.file_name("of eps");
    if (out.eps.find_first_not_of("0123456789.") != std::string::npos) in.fail("expected a number behind 'eps'");
  }
  return out;
}

std::string FoldText::str() const {
  const auto rule = std::find_if(std::begin(rules), std::end(rules), [&](const Rule& r) { return r.kind == kind; });
  std::string text = fmt::format("fold {}{}", rule->word, listed(of));
  if (!over.empty()) text += " over " + over;
  if (from != 0 || to) text += fmt::format("[{}..{}]", from, to ? std::to_string(*to) : "");
  if (!through.empty()) text += " through" + listed(through);
  if (!into.empty()) text += " into" + listed(into);
  return eps.empty() ? text : text + " eps " + eps;
}

std::optional<std::string> unknown_name(const FoldText& fold, const FileText& text) {
  const auto tensor = [&](const std::string& name) {
    return std::any_of(text.tensors.begin(), text.tensors.end(),
                       [&](const TensorText& t) { return name == t.name || name.starts_with(t.name + "."); });
  };
  const auto factor = [&](const std::string& name) { return position_of(text.factors, name) >= 0; };
  const auto weight = [&](const std::string& of) {
    return std::any_of(text.tensors.begin(), text.tensors.end(),
                       [name = of + ".weight"](const TensorText& t) { return t.name == name; });
  };
  const bool norms = fold.kind == Kind::layer_norm || fold.kind == Kind::rms_norm || fold.kind == Kind::batch_norm;
  const bool streams = fold.kind == Kind::stream || fold.kind == Kind::centred_stream;
  if (fold.kind == Kind::untie) return {};
  for (const std::string& name : fold.of) {
    if (streams ? !factor(name) : norms ? !weight(name) : !tensor(name)) return name;
  }
  for (const auto* others : {&fold.through, &fold.into})
    for (const std::string& name : *others)
      if (!tensor(name)) return name;
  if (!fold.over.empty() && !factor(fold.over)) return fold.over;
  return {};
}

}  // namespace weft
