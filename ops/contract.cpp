#include "weft/ops/contract.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "weft/groups/rules.h"
#include "weft/ops/einsum.h"
#include "weft/ops/pointwise.h"

namespace weft {
namespace {

/// Labels of one tensor: its letters, as numbers.
struct Letters {
  int count = 0;
  std::array<int, Shape::max_rank> label{};
  std::span<const int> span() const { return {label.data(), static_cast<std::size_t>(count)}; }
  int find(int l) const {
    for (int i = 0; i < count; ++i)
      if (label[static_cast<std::size_t>(i)] == l) return i;
    return -1;
  }
};

struct Plan {
  Letters part[4];  ///< a, b, bias, result
  std::array<std::int64_t, einsum_labels> size{};
  Shape shape;
  Type type;
};

constexpr int a_part = 0, b_part = 1, bias_part = 2, y_part = 3;

/// "nbi,noi+no->nbo" into four lists of letters.
void parse(std::string_view text, bool bias, Plan& plan) {
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
}

void check_sizes(std::string_view text, std::span<const Var> inputs, Plan& plan) {
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
void infer(const Var& a, const Var& b, Plan& plan) {
  constexpr const char* who = "contract";
  const Letters &pa = plan.part[a_part], &pb = plan.part[b_part], &py = plan.part[y_part];
  const Type &ta = a.type(), &tb = b.type();
  auto alone = [&](const Var& x, const Letters& own, const Letters& other) {
    for (int i = 0; i < own.count; ++i) {
      const int l = own.label[static_cast<std::size_t>(i)];
      if (other.find(l) < 0 && py.find(l) < 0 && i >= x.type().free())
        require(Action::reduce, who, x.name(), x.type(), i - x.type().free());
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
    const auto moved = [](const Axis& axis) { return axis.factor && axis.kind != Kind::fixed; };
    if (!moved(axis_a) && !moved(axis_b) && (!axis_a.factor || !axis_b.factor)) continue;
    if (!axis_a.factor || !axis_b.factor)
      throw TypeError("{}: paired with a free axis of '{}'; give both the same factor",
                      axis_a.factor ? at_axis(who, a.name(), ta, ia) : at_axis(who, b.name(), tb, jb),
                      axis_a.factor ? b.name() : a.name());
    if (py.find(l) >= 0) {  // aligned and kept, as in a product of two features
      if (!(axis_a == axis_b))
        throw TypeError("{}: kept together with axis {} '{}' of '{}'; both must transform alike",
                        at_axis(who, a.name(), ta, ia), jb, axis_b.str(), b.name());
      require(Action::mix, who, a.name(), ta, ia);
    } else {
      require_contractible(who, a.name(), ta, ia, b.name(), tb, jb);
    }
    if (head_letter(ta, pa, i) != head_letter(tb, pb, j))
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
    plan.type.push_back(i >= 0 && ta.of_dimension(i).factor ? ta.of_dimension(i)
                        : j >= 0                            ? tb.of_dimension(j)
                                                            : Axis{});
  }
  for (int k = 0; k < plan.type.size(); ++k) {
    const Axis& axis = plan.type[k];
    if (axis.factor && !axis.factor->per.empty() && plan.type.head_of(k) < 0)
      throw TypeError(
          "[contract] axis '{}' ({}) of the result: its head axis '{}' was summed; keep it, or sum this axis too",
          axis.str(), axis.factor->str(), axis.factor->per);
  }
}

void check_bias(const Var& bias, const Plan& plan) {
  const Letters &p = plan.part[bias_part], &py = plan.part[y_part];
  for (int k = 0; k < plan.type.size(); ++k) {
    const int i = p.find(py.label[static_cast<std::size_t>(plan.type.free() + k)]);
    if (i < 0) {
      require(Action::broadcast, "contract", "result", plan.type, k);
      continue;
    }
    const Axis own = bias.type().of_dimension(i);
    if (own.factor ? !(own == plan.type[k]) : plan.type[k].factor != nullptr && plan.type[k].kind != Kind::fixed)
      throw TypeError("{}: the bias '{}' has {} there; it must transform like the result",
                      at_axis("contract", "result", plan.type, k), bias.name(), own.factor ? own.str() : "a free axis");
  }
}

template <class T>
GemmEpilogue<T> fused(const Plan& plan, const Var* bias, const ContractOptions& options, bool& fits) {
  GemmEpilogue<T> e;
  fits = true;
  if (options.activation) e.activation = activation<T>(*options.activation);
  if (!bias) return e;
  // A bias over the columns alone, or over batch and columns, fits the epilogue, when one letter makes the columns.
  const Letters &p = plan.part[bias_part], &py = plan.part[y_part];
  const int columns = py.label[static_cast<std::size_t>(py.count - 1)];
  const Letters& other = plan.part[plan.part[b_part].find(columns) >= 0 ? a_part : b_part];
  int alone = 0;
  for (int l : py.span()) alone += other.find(l) < 0;
  const bool batched = p.count == 2 && p.label[0] == py.label[0] && plan.part[a_part].find(p.label[0]) >= 0 &&
                       plan.part[b_part].find(p.label[0]) >= 0 && py.count == 3;
  fits = p.label[static_cast<std::size_t>(p.count - 1)] == columns && (p.count == 1 || batched) && alone == 1 &&
         other.find(columns) < 0 && plan.size[static_cast<std::size_t>(columns)] > 1;
  e.bias = bias->value().data<T>();
  e.bias_batch_stride = batched ? plan.size[static_cast<std::size_t>(columns)] : 0;
  return e;
}

template <class T>
void forward(const Plan& plan, const Var& a, const Var& b, const Var* bias, const Tensor& y,
             const ContractOptions& options, Arena& arena) {
  const Labelled la = labelled(a.value(), plan.part[a_part].span()), lb = labelled(b.value(), plan.part[b_part].span());
  const Labelled ly = labelled(y, plan.part[y_part].span());
  bool fits = false;
  const auto epilogue = fused<T>(plan, bias, options, fits);
  if (fits && direct_product<T>(la, lb, ly, plan.size, 0, epilogue)) return;
  const Labelled factors[] = {la, lb};
  einsum<T>(arena, factors, ly, y.numel(), plan.size, 1, 0);
  if (bias) {
    const Labelled one[] = {labelled(bias->value(), plan.part[bias_part].span())};
    einsum<T>(arena, one, ly, y.numel(), plan.size, 1, 1);
  }
  if (options.activation) {
    const auto p = traits(*options.activation).default_parameter;
    kernel(*options.activation, y.dtype()).forward(y.raw(), y.raw(), y.numel(), p);
  }
}

/// gradient += Σ gy other, by labels.
template <class T>
void accumulate(Arena& arena, const Labelled& gy, const Labelled* other, const GradSlot& g, const Letters& letters,
                std::span<const std::int64_t> sizes) {
  const Labelled out = labelled(g.tensor, letters.span());
  const auto beta = static_cast<T>(g.beta);
  if (other && direct_product<T>(gy, *other, out, sizes, beta)) return;
  const Labelled factors[] = {gy, other ? *other : Labelled{}};
  einsum<T>(arena, std::span(factors, other ? 2 : 1), out, g.tensor.numel(), sizes, 1, g.beta);
}

Var run(std::string_view text, const Var& a, const Var& b, const Var* bias, const ContractOptions& options) {
  if (options.activation && !traits(*options.activation).from_output)
    throw UsageError("[contract] activation {}: its derivative needs its input; apply it as an op of its own",
                     traits(*options.activation).name);
  Plan plan;
  parse(text, bias != nullptr, plan);
  Var inputs[3] = {a, b, bias ? *bias : Var{}};
  const std::span<const Var> given(inputs, bias ? 3 : 2);
  check_sizes(text, given, plan);
  infer(a, b, plan);
  if (bias) check_bias(*bias, plan);
  Tape& tape = a.tape();
  const Tensor y = tape.empty(plan.shape, a.dtype());
  if (options.activation)
    require(action_of(*options.activation), traits(*options.activation).name, "result", plan.type);
  with_float(a.dtype(), "contract", [&](auto t) { forward<decltype(t)>(plan, a, b, bias, y, options, tape.arena()); });

  return tape.record("contract", y, plan.type, given,
                     [plan, act = options.activation, has_bias = bias != nullptr](Backward& back) {
                       with_float(back.cotangent().dtype(), "contract", [&](auto t) {
                         using T = decltype(t);
                         Tensor gy = back.cotangent();
                         if (act) {
                           gy = Tensor::empty(back.arena(), plan.shape, gy.dtype());
                           const Tensor& out = back.output();
                           kernel(*act, gy.dtype())
                               .vjp(out.raw(), out.raw(), back.cotangent().raw(), gy.raw(), false, gy.numel(),
                                    traits(*act).default_parameter);
                         }
                         const Labelled lg = labelled(gy, plan.part[y_part].span());
                         for (int i = 0; i < 2; ++i) {
                           if (!back.wants(i)) continue;
                           const Labelled other = labelled(back.input(1 - i), plan.part[1 - i].span());
                           accumulate<T>(back.arena(), lg, &other, back.grad(i), plan.part[i], plan.size);
                         }
                         if (has_bias && back.wants(2))
                           accumulate<T>(back.arena(), lg, nullptr, back.grad(2), plan.part[bias_part], plan.size);
                       });
                     });
}

}  // namespace

Var contract(std::string_view text, const Var& a, const Var& b, const ContractOptions& options) {
  return run(text, a, b, nullptr, options);
}
Var contract(std::string_view text, const Var& a, const Var& b, const Var& bias, const ContractOptions& options) {
  return run(text, a, b, &bias, options);
}

namespace {

/// Σ over every letter that the result lacks, letter by letter: no product, no stride.
std::vector<double> reference(std::string_view text, std::span<const Tensor> x, std::optional<UnaryOp> activation) {
  Plan plan;
  parse(text, x.size() == 3, plan);
  for (std::size_t v = 0; v < x.size(); ++v)
    for (int i = 0; i < plan.part[v].count; ++i)
      plan.size[static_cast<std::size_t>(plan.part[v].label[static_cast<std::size_t>(i)])] = x[v].dim(i);
  std::array<std::int64_t, einsum_labels> at{};
  auto offset = [&](const Letters& p) {
    std::int64_t o = 0;
    for (int l : p.span()) o = o * plan.size[static_cast<std::size_t>(l)] + at[static_cast<std::size_t>(l)];
    return o;
  };
  int letters = 0;
  for (const Letters& p : plan.part)
    for (int l : p.span()) letters = std::max(letters, l + 1);
  std::int64_t all = 1, results = 1;
  for (int l = 0; l < letters; ++l) all *= plan.size[static_cast<std::size_t>(l)];
  for (int l : plan.part[y_part].span()) results *= plan.size[static_cast<std::size_t>(l)];
  std::vector<double> y(static_cast<std::size_t>(results), 0.0);
  std::vector<bool> started(y.size(), false);
  for (std::int64_t i = 0; i < all; ++i) {
    std::int64_t rest = i;
    for (int l = 0; l < letters; ++l) {
      at[static_cast<std::size_t>(l)] = rest % plan.size[static_cast<std::size_t>(l)];
      rest /= plan.size[static_cast<std::size_t>(l)];
    }
    const auto o = static_cast<std::size_t>(offset(plan.part[y_part]));
    if (x.size() == 3 && !started[o]) y[o] = x[2].data<double>()[offset(plan.part[bias_part])];
    started[o] = true;
    y[o] += x[0].data<double>()[offset(plan.part[a_part])] * x[1].data<double>()[offset(plan.part[b_part])];
  }
  if (activation)
    for (double& v : y) v = *activation == UnaryOp::Tanh ? std::tanh(v) : 1 / (1 + std::exp(-v));
  return y;
}

OpCase plain_case(std::string text, std::vector<Shape> shapes, std::optional<UnaryOp> activation = {}) {
  OpCase c;
  c.name = "contract " + text;
  c.shapes = std::move(shapes);
  c.run = [text, activation](Tape&, std::span<const Var> x) {
    return x.size() == 3 ? contract(text, x[0], x[1], x[2], {.activation = activation})
                         : contract(text, x[0], x[1], {.activation = activation});
  };
  c.reference = [text, activation](std::span<const Tensor> x) { return reference(text, x, activation); };
  return c;
}

OpCase typed_case(std::string space, std::string text, std::vector<std::string> tensors, std::string result,
                  std::string refusal = {}) {
  OpCase c = plain_case(std::move(text), {});
  c.space = std::move(space);
  c.tensors = std::move(tensors);
  c.result = std::move(result);
  c.refusal = std::move(refusal);
  return c;
}

}  // namespace

std::vector<OpCase> contract_cases() {
  constexpr const char* mlp =
      "in: fixed(3); h, k: positive_monomial(4); s: sign_monomial(4) W[h, in*] V[k, h*] b[h] c[k] U[k, in*] R[h, h*] "
      "S[s] z[in]";
  constexpr const char* heads =
      "h: permutation(2); q: GL(2) per h; m: fixed(3); s: permutation(4) Q[h, m, q] K[h, m, q*] P[m] R[s, m] S[s] H[h]";
  std::vector<OpCase> cases{
      plain_case("bi,oi->bo", {{3, 5}, {4, 5}}),
      plain_case("bi,oi+o->bo", {{3, 5}, {4, 5}, {4}}),
      plain_case("bi,oi+o->bo", {{3, 5}, {4, 5}, {4}}, UnaryOp::Tanh),
      plain_case("bi,oi+o->ob", {{3, 5}, {4, 5}, {4}}, UnaryOp::Sigmoid),
      plain_case("nbi,noi+no->nbo", {{2, 3, 5}, {2, 4, 5}, {2, 4}}, UnaryOp::Tanh),
      plain_case("bi,noi->nbo", {{3, 5}, {2, 4, 5}}),
      plain_case("nbi,noi->nob", {{2, 3, 5}, {2, 4, 5}}),
      plain_case("bn,n+n->bn", {{3, 5}, {5}, {5}}),
      plain_case("ij,jk->ik", {{1, 1}, {1, 1}}),
      plain_case("i,j->ij", {{3}, {4}}),
      plain_case("i,i->i", {{5}, {5}}),
      plain_case("ij,kl->il", {{3, 2}, {2, 4}}),
      plain_case("ij,jk->ik", {{2, 0}, {0, 3}}),
      plain_case("abij,abjk->aibk", {{2, 3, 4, 5}, {2, 3, 5, 2}}),
      plain_case("bij,ej->ebi", {{2, 3, 17}, {9, 17}}),
      plain_case("bdhpk,bdhqk->bdpq", {{2, 2, 2, 3, 2}, {2, 2, 2, 3, 2}}),
      typed_case(mlp, "bdkh,bdh->bdk", {"V", "b"}, "c"),
      typed_case(mlp, "bdkh,bdhi->bdki", {"V", "W"}, "U"),
      typed_case(mlp, "bdhi,bdi->bdh", {"W", "z"}, "b"),
      typed_case(mlp, "bds,bds->bd", {"S", "S"}, ""),
      typed_case(heads, "bdhpk,bdhqk->bdpq", {"Q", "K"}, ""),
      typed_case(heads, "bdsm,bdm->bds", {"R", "P"}, "S"),
      typed_case(heads, "bdsm,bds->bdm", {"R", "S"}, ""),
      typed_case(heads, "bdsm,bds->bds", {"R", "S"}, "S"),
      typed_case(mlp, "bdh,bdh->bd", {"b", "b"}, "",
                 "[contract] tensor 'b', axis 0 'h' (positive_monomial(4)): contracted with axis 0 'h' of tensor 'b' "
                 "in the same role; allowed: a vector with a covector"),
      typed_case(mlp, "bdkh,bdk->bdh", {"V", "b"}, "b",
                 "[contract] tensor 'V', axis 0 'k' (positive_monomial(4)): contracted with axis 0 'h' "
                 "(positive_monomial(4)) of tensor 'b'; allowed: the same factor"),
      typed_case(mlp, "bdhi,bdh->bdhi", {"W", "b"}, "W",
                 "[contract] tensor 'W', axis 0 'h' (positive_monomial(4)): contract does not commute with scaling; "
                 "normalise over the channels first, or contract the axis"),
      typed_case(mlp, "bdhi,bdz->bdz", {"W", "z"}, "z",
                 "[contract] tensor 'W', axis 0 'h' (positive_monomial(4)): contract adds entries with different "
                 "scales; contract with a covector of the same factor"),
      typed_case(heads, "bdhpk,bdgqk->bdpq", {"Q", "K"}, "",
                 "[contract] tensor 'Q', axis 0 'h' (permutation(2)): axis 'q' is per h, which the sum would forget; "
                 "contract it first"),
      typed_case(heads, "bdhpk,bdh->bdpk", {"Q", "H"}, "",
                 "[contract] axis 'q' (GL(2) per h) of the result: its head axis 'h' was summed; keep it, or sum this "
                 "axis too"),
  };
  return cases;
}

}  // namespace weft
