#include "weft/networks/files/file_text.h"

#include <algorithm>
#include <cctype>

#include "weft/groups/space_grammar.h"

namespace weft {
namespace {

/// Of parentheses within parentheses.
constexpr int max_depth = 16;

/// What a declaration has behind its first name, and a tensor has not.
bool begins_declaration(const Lexer& in) { return (in.peek(":") && !in.peek(":=")) || in.peek(","); }

/// Whether a remark of that word is next.
bool begins_remark(Lexer in, const char* word) { return take_word(in, word) && in.peek("\""); }

/// size := integer | "$" "(" expression ")"
Expression parse_size(Lexer& in, const char* where) {
  if (!in.take("$")) return Expression::of(in.integer(where));
  in.expect("(", "behind '$'");
  Expression e = parse_expression(in);
  in.expect(")", "behind an expression");
  return e;
}

class Reader {
 public:
  Reader(std::string_view text, const std::vector<int>& lines) : in_(text, "architecture", false, lines) {}

  FileText operator()() {
    while (!in_.done()) {
      if (in_.take(";")) continue;
      if (begins_fold(in_)) {
        take_word(in_, "fold");
        out_.folds.push_back(parse_fold(in_));
        continue;
      }
      if (remark("note", out_.notes) || remark("unfolded", out_.unfolded)) continue;
      std::string name = in_.file_name("of a factor or tensor");
      if (begins_declaration(in_))
        declaration(std::move(name));
      else
        tensor(std::move(name));
    }
    if (out_.tensors.empty()) in_.fail("expected at least one tensor");
    for (const FoldText& fold : out_.folds)
      if (const auto name = unknown_name(fold, out_))
        throw ParseError("[architecture] '{}': the text has no '{}'", fold.str(), *name);
    return std::move(out_);
  }

 private:
  bool remark(const char* word, std::vector<std::string>& remarks) {
    if (!begins_remark(in_, word)) return false;
    take_word(in_, word);
    remarks.push_back(in_.quoted("of a remark"));
    return true;
  }

  void declaration(std::string name) {
    Expression size;
    const auto read = [&](Lexer& in) {
      size = parse_size(in, "as a factor's size");
      return std::int64_t{0};
    };
    parse_declaration(in_, std::move(name), read, out_.factors);
    out_.sizes.resize(out_.factors.size(), size);
  }

  void tensor(std::string name) {
    TensorText t{std::move(name)};
    t.optional = in_.take("?");
    if (in_.take("+")) t.plus = in_.integer("that the file's numbers lack");
    while (in_.take("=")) t.ties.push_back(in_.file_name("of a copy"));
    if (in_.take(":=")) t.constant = in_.integer("that all numbers are");
    if (in_.take("[")) {
      do t.axes.push_back(product(t.name, 0));
      while (in_.take(","));
      if (in_.take(";")) parse_taps(in_, t.tap_rows, t.tap_columns);
      in_.expect("]", "behind a tensor's axes");
    }
    out_.tensors.push_back(std::move(t));
  }

  FileProduct product(const std::string& tensor, int depth) {
    FileProduct atoms;
    do atoms.push_back(atom(tensor, depth));
    while (in_.at_letter() || in_.at_digit() || in_.peek("(") || in_.peek("$") || in_.peek("~"));
    return atoms;
  }

  FileAtom atom(const std::string& tensor, int depth) {
    if (in_.take("~")) {
      FileAtom centred{.axis = parse_axis(in_, tensor, out_.factors), .centred = true};
      if (in_.take("+")) centred.sum = in_.name("of the sums of an axis");
      return centred;
    }
    if (in_.at_digit() || in_.peek("$")) return {.places = parse_size(in_, "of places")};
    if (!in_.take("(")) return {.axis = parse_axis(in_, tensor, out_.factors)};
    if (depth == max_depth) in_.fail(fmt::format("parentheses more than {} deep", max_depth));
    FileAtom choice;
    do choice.alternatives.push_back(alternative(tensor, depth + 1));
    while (in_.take("|"));
    in_.expect(")", "behind alternatives");
    return choice;
  }

  FileAlternative alternative(const std::string& tensor, int depth) {
    FileAlternative a;
    Lexer ahead = in_;
    if (ahead.at_letter() || ahead.at_digit()) {
      std::string label = ahead.at_letter() ? ahead.name("") : ahead.word("");
      if (ahead.take(":")) {
        a.label = std::move(label);
        in_ = ahead;
      }
    }
    a.product = product(tensor, depth);
    return a;
  }

  Lexer in_;
  FileText out_;
};

bool plain(const std::string& name) {
  // Behind a declaration or a tensor these would be read as the text's own words.
  for (const char* word : {"per", "along", "fold", "note", "unfolded"})
    if (name == word) return false;
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("_.{}").find(c) != std::string_view::npos;
  });
}

std::string written(const Expression& size) { return size.known() ? size.str() : fmt::format("$({})", size.str()); }

std::string written(const SpaceAxis& axis, const std::vector<Factor>& factors) {
  const auto name = [&](int factor) { return factors[static_cast<std::size_t>(factor)].name; };
  if (axis.characters.empty()) return with_degree(name(axis.factor), axis.role == AxisRole::vector ? 1 : -1);
  std::string text;
  for (const FactorDegree& c : axis.characters)
    text += (text.empty() ? "" : "&") + with_degree(name(c.factor), c.degree);
  return text;
}

std::string written(const FileProduct& product, const std::vector<Factor>& factors) {
  std::string text;
  for (const FileAtom& atom : product) {
    text += text.empty() ? "" : " ";
    if (atom.axis) {
      text += (atom.centred ? "~" : "") + written(*atom.axis, factors);
      if (!atom.sum.empty()) text += " + " + atom.sum;
    } else if (atom.places) {
      text += written(*atom.places);
    } else {
      std::string choice;
      for (const FileAlternative& a : atom.alternatives)
        choice += (choice.empty() ? "" : " | ") + (a.label.empty() ? "" : a.label + ": ") + written(a.product, factors);
      text += "(" + choice + ")";
    }
  }
  return text;
}

}  // namespace

std::optional<std::pair<std::string, std::string>> around_index(const std::string& name) {
  const std::size_t begin = name.find('{'), end = name.rfind('}');
  if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
  return std::pair(name.substr(0, begin), name.substr(end + 1));
}

std::string name_at(const std::string& name, const std::string& place) {
  const auto around = around_index(name);
  return around ? around->first + place + around->second : name;
}

std::optional<std::string> TensorText::index() const {
  const auto around = around_index(name);
  if (!around) return {};
  const std::size_t begin = around->first.size() + 1, end = name.size() - around->second.size() - 1;
  return name.substr(begin, end - begin);
}

FileText FileText::parse(std::string_view text, const std::vector<int>& lines) { return Reader(text, lines)(); }

std::string FileText::str() const {
  std::string text;
  for (std::size_t i = 0; i < factors.size(); ++i) {
    const Factor& f = factors[i];
    text += fmt::format("{}: {}({}){}{}{}{}\n", f.name, f.kind->name, written(sizes[i]), f.per.empty() ? "" : " per ",
                        f.per, f.along.empty() ? "" : " along ", f.along);
  }
  for (const TensorText& t : tensors) {
    text += written_name(t.name) + (t.optional ? "?" : "") + (t.plus ? fmt::format(" + {}", t.plus) : "");
    for (const std::string& tie : t.ties) text += " = " + written_name(tie);
    if (t.constant) text += fmt::format(" := {}", *t.constant);
    std::string axes;
    for (const FileProduct& axis : t.axes) axes += (axes.empty() ? "" : ", ") + written(axis, factors);
    if (t.tap_rows * t.tap_columns != 1) axes += fmt::format("; taps={}x{}", t.tap_rows, t.tap_columns);
    text += t.axes.empty() ? "\n" : " [" + axes + "]\n";
  }
  for (const FoldText& fold : folds) text += fold.str() + "\n";
  for (const std::string& note : notes) text += fmt::format("note \"{}\"\n", note);
  for (const std::string& why : unfolded) text += fmt::format("unfolded \"{}\"\n", why);
  return text;
}

Expression FileText::size_of(const FileProduct& product) const {
  std::optional<Expression> size;
  for (const FileAtom& atom : product) {
    Expression own = Expression::of(0);
    if (atom.axis) own = sizes[static_cast<std::size_t>(atom.axis->factor)];
    if (atom.centred) own = Expression::plus(std::move(own), Expression::of(1));
    if (atom.places) own = *atom.places;
    for (std::size_t i = 0; i < atom.alternatives.size(); ++i) {
      Expression one = size_of(atom.alternatives[i].product);
      own = i == 0 ? std::move(one) : Expression::plus(std::move(own), std::move(one));
    }
    size = size ? Expression::times(std::move(*size), std::move(own)) : std::move(own);
  }
  return std::move(*size);
}

std::string written_name(const std::string& name) { return plain(name) ? name : "\"" + name + "\""; }

std::string space_name(std::string_view file_name) {
  static constexpr std::string_view prefix = "x.";
  const auto word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; };
  std::string name;
  for (std::size_t i = 0; i < file_name.size(); ++i) {
    const char c = file_name[i];
    // An underscore that would be read as the beginning of an escape is one, too.
    const bool escape = c == '_' && file_name.substr(i).starts_with("_x");
    if (word(c) && !escape)
      name += c;
    else if (c != '{' && c != '}')
      name += fmt::format("_x{:02x}", static_cast<unsigned char>(c));
  }
  const bool letter = !name.empty() && std::isalpha(static_cast<unsigned char>(name[0]));
  const bool reserved = name == "per" || name == "along" || name.starts_with(prefix);
  return letter && !reserved ? name : std::string(prefix) + name;
}

std::vector<TensorNames> tensor_names(std::string_view text) {
  Lexer in(text, "architecture", false);
  std::vector<TensorNames> out;
  const auto pass = [&](std::string_view end) {
    while (!in.done() && !in.take(end)) in.pass();
  };
  while (!in.done()) {
    if (in.take(";")) continue;
    if (begins_fold(in)) {
      take_word(in, "fold");
      parse_fold(in);
      continue;
    }
    if (begins_remark(in, "note") || begins_remark(in, "unfolded")) {
      in.file_name("");
      in.quoted("of a remark");
      continue;
    }
    std::string name = in.file_name("of a factor or tensor");
    if (begins_declaration(in)) {
      pass("(");
      for (int depth = 1; depth > 0 && !in.done();) {
        depth += in.peek("(") ? 1 : in.peek(")") ? -1 : 0;
        in.pass();
      }
      for (const char* word : {"per", "along"})
        if (take_word(in, word)) in.file_name("of a factor");  // a template's has braces
      continue;
    }
    TensorNames t{std::move(name), in.take("?"), {}};
    if (in.take("+")) in.integer("that the file's numbers lack");
    while (in.take("=")) t.ties.push_back(in.file_name("of a copy"));
    if (in.take(":=")) in.integer("that all numbers are");
    if (in.peek("[")) {
      for (int depth = 0; !in.done();) {
        depth += in.peek("[") ? 1 : in.peek("]") ? -1 : 0;
        in.pass();
        if (depth == 0) break;
      }
    }
    out.push_back(std::move(t));
  }
  return out;
}

}  // namespace weft
