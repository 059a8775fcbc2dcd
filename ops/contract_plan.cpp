#include "weft/ops/contract_plan.h"

#include "weft/groups/rules.h"

namespace weft {

ContractPlan parse_contraction(std::string_view text, bool bias) {
  ContractPlan plan;
  int part = a_part;
  char letters[einsum_labels];
  int known = 0;
  auto refuse = [&](const char* why) {
    throw ShapeError("[contract] '{}': {}; allowed: a,b->y or a,b+bias->y with one letter an axis", text, why);
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ' ') continue;
    if (c == ',' && part == a_part)
      part = b_part;
    else if (c == '+' && part == b_part)
      part = bias_part;
    else if (c == '-' && i + 1 < text.size() && text[i + 1] == '>' && (part == b_part || part == bias_part))
      part = y_part, ++i;
    else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      int l = 0;
      while (l < known && letters[l] != c) ++l;
      if (l == known) {
        if (known == einsum_labels) refuse("too many letters");
        letters[known++] = c;
      }
      Letters& p = plan.part[part];
      if (p.find(l) >= 0) refuse("a letter stands twice in one tensor");
      if (p.count == Shape::max_rank) refuse("too many axes");
      p.label[static_cast<std::size_t>(p.count++)] = l;
    } else
      refuse("unexpected character");
  }
  if (part != y_part) refuse("no result");
  if (bias != (plan.part[bias_part].count > 0))
    refuse(bias ? "a bias was given, but the text has none" : "the text has a bias, but none was given");
  return plan;
}

namespace {

void check_sizes(std::string_view text, std::span<const Var> inputs, ContractPlan& plan) {
  std::array<bool, einsum_labels> known{};
  for (std::size_t v = 0; v < inputs.size(); ++v) {
    const Tensor& t = inputs[v].value();
    const Letters& p = plan.part[v];
    if (t.dtype() != inputs[0].dtype())
      throw DtypeError("[contract] '{}': dtypes {} and {} differ", text, name(inputs[0].dtype()), name(t.dtype()));
    if (t.rank() != p.count)
      throw ShapeError("[contract] '{}': factor {} has shape {}, but {} letters", text, v, t.shape().str(), p.count);
    for (int i = 0; i < p.count; ++i) {
      const auto l = static_cast<std::size_t>(p.label[static_cast<std::size_t>(i)]);
      if (known[l] && plan.size[l] != t.dim(i))
        throw ShapeError("[contract] '{}': axis {} of factor {} has size {}, its letter {} elsewhere", text, i, v,
                         t.dim(i), plan.size[l]);
      if (v == bias_part && !known[l])
        throw ShapeError("[contract] '{}': a letter of the bias stands nowhere else", text);
      known[l] = true;
      plan.size[l] = t.dim(i);
    }
  }
  for (int l : plan.part[y_part].span())
    if (!known[static_cast<std::size_t>(l)])
      throw ShapeError("[contract] '{}': a letter of the result stands in no factor", text);
  for (int l : plan.part[bias_part].span())
    if (plan.part[y_part].find(l) < 0)
      throw ShapeError("[contract] '{}': a letter of the bias is missing in the result", text);
  for (int l : plan.part[y_part].span()) plan.shape.push_back(plan.size[static_cast<std::size_t>(l)]);
}

/// The letter of the head axis that dimension `i` of part `p` is per, or -1.
int head_letter(const Type& type, const Letters& p, int dimension) {
  const int typed = dimension - type.free();
  const int head = typed < 0 ? -1 : type.head_of(typed);
  return head < 0 ? -1 : p.label[static_cast<std::size_t>(type.free() + head)];
}

/// The result's type, or a TypeError (spec 1.5).
void infer(const Var& a, const Var& b, ContractPlan& plan) {
  constexpr const char* who = "contract";
  const Letters &pa = plan.part[a_part], &pb = plan.part[b_part], &py = plan.part[y_part];
  const Type &ta = a.type(), &tb = b.type();
  auto alone = [&](const Var& x, const Letters& own, const Letters& other) {
    for (int i = 0; i < own.count; ++i) {
      const int l = own.label[static_cast<std::size_t>(i)];
      if (other.find(l) < 0 && py.find(l) < 0 && i >= x.type().free())
        require_along(Action::reduce, who, x.name(), x.type(), i - x.type().free());
    }
  };
  alone(a, pa, pb);
  alone(b, pb, pa);
  for (int i = 0; i < pa.count; ++i) {
    const int l = pa.label[static_cast<std::size_t>(i)], j = pb.find(l);
    if (j < 0) continue;
    const int ia = i - ta.free(), jb = j - tb.free();
    const Axis axis_a = ta.of_dimension(i), axis_b = tb.of_dimension(j);
    // A fixed axis is as good as a free one.
    if (!axis_a.moves() && !axis_b.moves() && (!axis_a.factor || !axis_b.factor)) continue;
    if (!axis_a.factor || !axis_b.factor)
      throw TypeError("{}: paired with a free axis of '{}'; give both the same factor",
                      axis_a.factor ? at_axis(who, a.name(), ta, ia) : at_axis(who, b.name(), tb, jb),
                      axis_a.factor ? b.name() : a.name());
    if (py.find(l) >= 0)
      multiplied(who, a.name(), ta, ia, b.name(), tb, jb);
    else
      require_contractible(who, a.name(), ta, ia, b.name(), tb, jb);
    // Along a fixed root one of two axes may have copies alone.
    const int head_a = head_letter(ta, pa, i), head_b = head_letter(tb, pb, j);
    const bool of_root = axis_a.factor && !axis_a.factor->per.empty();
    if (head_a != head_b && (of_root || (head_a >= 0 && head_b >= 0)))
      throw TypeError("{}: runs over other heads than axis {} of '{}'; give both head axes one letter",
                      at_axis(who, a.name(), ta, ia), jb, b.name());
  }
  // Free axes come first in a type; a free one behind a typed one has no factor.
  int free = 0;
  while (free < py.count) {
    const int l = py.label[static_cast<std::size_t>(free)];
    const int i = pa.find(l), j = pb.find(l);
    if ((i >= 0 && ta.of_dimension(i).factor) || (j >= 0 && tb.of_dimension(j).factor)) break;
    ++free;
  }
  plan.type = Type(free);
  for (int k = free; k < py.count; ++k) {
    const int l = py.label[static_cast<std::size_t>(k)], i = pa.find(l), j = pb.find(l);
    const Axis axis_a = i >= 0 ? ta.of_dimension(i) : Axis{}, axis_b = j >= 0 ? tb.of_dimension(j) : Axis{};
    plan.type.push_back(axis_a.factor && axis_b.factor ? axis_a.times(axis_b) : axis_a.factor ? axis_a : axis_b);
  }
  for (int k = 0; k < plan.type.size(); ++k) {
    const Axis& axis = plan.type[k];
    if (!axis.per().empty() && plan.type.head_of(k) < 0)
      throw TypeError(
          "[contract] axis '{}' ({}) of the result: its head axis '{}' was summed; keep it, or sum this axis too",
          axis.str(), axis.factor->str(), axis.per());
  }
}

void check_bias(const Var& bias, const ContractPlan& plan) {
  const Letters &p = plan.part[bias_part], &py = plan.part[y_part];
  for (int k = 0; k < plan.type.size(); ++k) {
    const int i = p.find(py.label[static_cast<std::size_t>(plan.type.free() + k)]);
    if (i < 0) {
      require(Action::broadcast, "contract", "result", plan.type, k);
      continue;
    }
    const Axis own = bias.type().of_dimension(i);
    if (own.factor ? !(own == plan.type[k]) : plan.type[k].moves())
      throw TypeError("{}: the bias '{}' has {} there; it must transform like the result",
                      at_axis("contract", "result", plan.type, k), bias.name(), own.factor ? own.str() : "a free axis");
  }
}

}  // namespace

ContractPlan plan_contraction(std::string_view text, std::span<const Var> inputs) {
  const bool bias = inputs.size() == 3;
  ContractPlan plan = parse_contraction(text, bias);
  check_sizes(text, inputs, plan);
  infer(inputs[0], inputs[1], plan);
  if (bias) check_bias(inputs[2], plan);
  return plan;
}

}  // namespace weft
