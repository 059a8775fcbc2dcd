#include "weft/networks/files/template.h"

#include <algorithm>

#include "weft/core/error.h"
#include "weft/networks/files/file_text.h"
#include "weft/networks/files/name_pattern.h"

namespace weft {
namespace {

constexpr std::int64_t max_turns = 10000, max_all_turns = 100000;
/// Pieces and characters that are put, and those of trials: conditions within conditions try both sides of each.
constexpr std::int64_t max_work = 1 << 22;
/// Of what is left of a size: definitions of definitions would double it with each line.
constexpr std::size_t max_left = 1000;

class Expander {
 public:
  Expander(const Json& config, const FileFacts* file, std::int64_t& work) : config_(config), file_(file), work_(work) {}

  ExpandedText operator()(const std::vector<TemplateNode>& nodes) && {
    run(nodes);
    return std::move(out_);
  }

 private:
  using Kind = TemplateNode::Kind;
  using Scope = std::vector<std::pair<std::string, Expression>>;

  static std::string where(const TemplateNode& node) { return fmt::format("[architecture] line {}", node.line); }

  std::optional<Expression> meaning(const std::string& name) const {
    for (auto own = scope_.rbegin(); own != scope_.rend(); ++own)
      if (own->first == name) return own->second;
    if (const std::size_t space = name.find(' '); space != std::string::npos)
      return file_ ? fact(name.substr(0, space), with_indices(name.substr(space + 1))) : std::nullopt;
    if (const auto told = out_.told.find(name); told != out_.told.end()) return Expression::of(told->second);
    const Json* at = config_.find(name);
    if (!at) at = nested(name);
    if (at && *at != Json()) return Expression::of(*at);
    return {};
  }

  /// What is asked of the file's tensor of that name.
  std::optional<Expression> fact(const std::string& question, const std::string& tensor) const {
    const auto at = file_->shapes.find(tensor);
    if (question == "present") return Expression::of(at != file_->shapes.end());
    if (at == file_->shapes.end()) return {};
    const Shape& shape = at->second;
    if (question == "rank") return Expression::of(std::int64_t{shape.rank()});
    return Expression::of(Json::List(shape.sizes().begin(), shape.sizes().end()));
  }

  /// The name, with what stands between braces in it computed.
  std::string with_indices(std::string_view name) const {
    std::string out;
    for (std::size_t at = 0; at < name.size();) {
      const std::size_t begin = std::min(name.find('{', at), name.size());
      out += name.substr(at, begin - at);
      if (begin == name.size()) break;
      const std::size_t end = std::min(name.find('}', begin), name.size());
      Lexer in(name.substr(begin + 1, end - begin - 1), "architecture", true);
      const Expression index = computed(
          parse_expression(in), [this](const std::string& n) { return meaning(n); }, "[architecture]");
      const std::string* text = index.known() ? index.value.text() : nullptr;
      out += text ? *text : index.str();
      at = end + 1;
    }
    return out;
  }

  /// "text_config.hidden_size": a member of an object.
  const Json* nested(const std::string& name) const {
    const Json* at = &config_;
    for (std::size_t begin = 0; at && begin < name.size();) {
      const std::size_t end = std::min(name.find('.', begin), name.size());
      at = at->find(name.substr(begin, end - begin));
      begin = end + 1;
    }
    return at;
  }

  Expression value(const Expression& e, const TemplateNode& node) const {
    return computed(
        e, [this](const std::string& name) { return meaning(name); }, where(node));
  }

  [[noreturn]] static void lacks(const Expression& e, const TemplateNode& node) {
    throw ParseError("{}: the config does not tell {}", where(node), fmt::join(names_of(e), ", "));
  }

  std::int64_t whole(const Expression& e, const TemplateNode& node) const {
    const Expression v = value(e, node);
    if (!v.known()) lacks(v, node);
    if (const auto n = v.whole()) return *n;
    throw ParseError("{}: '{}' is {}; allowed: a whole number", where(node), e.str(), v.str());
  }

  void count(std::size_t work, int line) {
    work_ += static_cast<std::int64_t>(work);
    if (work_ > max_work)
      throw ParseError("[architecture] line {}: the text grows beyond {} characters", line, max_work);
  }

  void put(const std::string& text, int line) {
    count(text.size(), line);
    if (out_.lines.empty()) out_.lines.push_back(line);
    // A line that has nothing yet is the next piece's.
    if (out_.text.empty() || out_.text.back() == '\n') out_.lines.back() = line;
    for (const char c : text) {
      out_.text += c;
      if (c == '\n') out_.lines.push_back(++line);
    }
  }

  void run(const std::vector<TemplateNode>& nodes) {
    const std::size_t outer = scope_.size();
    for (const TemplateNode& node : nodes) {
      count(1, node.line);
      switch (node.kind) {
        case Kind::text:
          put(node.text, node.line);
          break;
        case Kind::size:
          put_size(node);
          break;
        case Kind::index:
          put_index(node);
          break;
        case Kind::definition: {
          const Expression v = value(node.to, node);
          if (!v.known() && !file_) lacks(v, node);
          if (size_of(v) > max_left)
            throw ParseError("{}: what is not known yet of '{}' has more than {} parts", where(node), node.text,
                             max_left);
          scope_.emplace_back(node.text, v);
          break;
        }
        case Kind::loop:
          loop(node);
          break;
        case Kind::condition:
          run(decide(node) ? node.body : node.otherwise);
      }
    }
    scope_.resize(outer);
  }

  void put_size(const TemplateNode& node) {
    const Expression v = value(node.to, node);
    if (!v.known() && file_)
      put("$(" + v.str() + ")", node.line);
    else
      put(std::to_string(whole(node.to, node)), node.line);
  }

  void put_index(const TemplateNode& node) {
    const Expression v = value(node.to, node);
    if (!v.known() && v.operation == Expression::Operation::name)
      put("{" + node.text + "}", node.line);
    else if (const std::string* text = v.known() ? v.value.text() : nullptr)
      put(*text, node.line);
    else
      put(std::to_string(whole(node.to, node)), node.line);
  }

  void loop(const TemplateNode& node) {
    if (!node.pattern.empty()) return each_fitting(node);
    const std::int64_t from = whole(node.from, node);
    const Expression bound = value(node.to, node);
    if (!bound.known() && !file_) lacks(bound, node);
    const std::int64_t to = bound.known() ? whole(node.to, node) : counted(node, from, bound);
    if (to - from > max_turns)
      throw ParseError("{}: a loop of {} turns; allowed: {}", where(node), to - from, max_turns);
    for (std::int64_t k = from; k < to; ++k) turn(node, k);
  }

  /// A turn for each of the file's names that fit, with a count and what the first star stands for.
  void each_fitting(const TemplateNode& node) {
    if (!file_)
      throw ParseError("{}: a loop over the names \"{}\" of a file, and there is none", where(node), node.pattern);
    std::int64_t k = 0;
    for (const auto& [name, shape] : file_->shapes)
      if (const auto stem = first_star(node.pattern, name)) {
        scope_.emplace_back(node.stem, Expression::of(*stem));
        turn(node, k++);
        scope_.pop_back();
      }
  }

  void turn(const TemplateNode& node, std::int64_t k) {
    if (++turns_ > max_all_turns)
      throw ParseError("{}: more than {} turns of loops in all", where(node), max_all_turns);
    scope_.emplace_back(node.text, Expression::of(k));
    run(node.body);
    scope_.pop_back();
  }

  /// Where a loop ends whose turns the file's names count: before the first of which it has no tensor.
  std::int64_t counted(const TemplateNode& node, std::int64_t from, const Expression& bound) {
    std::int64_t to = from;
    for (; to - from <= max_turns; ++to) {
      Found turn = found([&](Expander& trial) { trial.turn(node, to); });
      if (turn.held == 0) break;
      // What one turn decides holds for the next.
      out_.told = std::move(turn.told);
    }
    const std::vector<std::string> names = names_of(bound);
    const auto told = names.size() == 1 ? solved_for(bound, names[0], to) : std::nullopt;
    if (!told) lacks(bound, node);
    out_.told.insert_or_assign(names[0], Json(*told));
    return to;
  }

  struct Found {
    std::vector<TensorNames> tensors;
    int held = 0, missing = 0;  ///< of those that are not optional
    std::map<std::string, Json> told;
  };

  /// The tensors of a piece, and how many of them the file has; none for a piece that cannot be.
  template <class Run>
  Found found(const Run& piece) {
    Expander trial = *this;
    trial.out_.text.clear();
    trial.out_.lines.clear();
    Found out;
    try {
      piece(trial);
      out.tensors = tensor_names(trial.out_.text);
    } catch (const ParseError&) {
      out.missing = 1;
      return out;
    }
    turns_ = trial.turns_;
    out.told = std::move(trial.out_.told);
    for (const TensorNames& t : out.tensors) {
      const bool held = file_->shapes.contains(name_at(t.name, "0"));
      out.held += held;
      out.missing += !held && !t.optional;
    }
    return out;
  }

  bool decide(const TemplateNode& node) {
    const Expression v = value(node.to, node);
    if (!file_) {
      if (!v.known()) lacks(v, node);
      return holds(v.value);
    }
    const bool named = node.to.operation == Expression::Operation::name;
    if (v.known() && !named) return holds(v.value);
    const Found yes = found([&](Expander&trial) { trial.run(node.body); }),
                no = found([&](Expander&trial) { trial.run(node.otherwise); });
    std::optional<bool> decided = by_ties(yes, no, v);
    if (!decided && !v.known()) {
      if (yes.missing != no.missing)
        decided = yes.missing < no.missing;
      else
        decided = yes.held > no.held;
    }
    if (!decided) return holds(v.value);
    if (named) out_.told.insert_or_assign(node.to.name, Json(*decided));
    return *decided;
  }

  /// Of a condition one side of which has a copy of what is a tensor of its own on the other: what the file holds.
  std::optional<bool> by_ties(const Found& yes, const Found& no, const Expression& said) const {
    for (const bool tied_side : {true, false}) {
      const Found &tied = tied_side ? yes : no, &untied = tied_side ? no : yes;
      for (const TensorNames& t : tied.tensors)
        for (const std::string& copy : t.ties) {
          if (std::none_of(untied.tensors.begin(), untied.tensors.end(),
                           [&](const TensorNames& own) { return own.name == copy; }))
            continue;
          if (!file_->shapes.contains(copy)) return tied_side;
          if (file_->shapes.contains(t.name) && file_->equal && !file_->equal(t.name, copy)) return !tied_side;
          return said.known() ? holds(said.value) : tied_side == static_cast<bool>(file_->equal);
        }
    }
    return {};
  }

  const Json& config_;
  const FileFacts* file_;
  Scope scope_;
  ExpandedText out_;
  std::int64_t turns_ = 0;
  std::int64_t& work_;  ///< of all trials, too
};

}  // namespace

ExpandedText Template::expanded(const Json& config) const {
  std::int64_t work = 0;
  return Expander(config, nullptr, work)(nodes_);
}
ExpandedText Template::expanded(const Json& config, const FileFacts& file) const {
  std::int64_t work = 0;
  return Expander(config, &file, work)(nodes_);
}

}  // namespace weft
