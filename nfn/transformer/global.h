#pragma once
// The global terms of spec 3.1 and 3.2 as one linear map of one vector per network (spec 3.3): almost all parameters
// are here. Each phi is read once forward and once backward, where it lies; its gradient is handed on as outer
// products.

#include <string>
#include <vector>

#include "weft/groups/term.h"
#include "weft/nfn/transformer/sizes.h"
#include "weft/nfn/transformer/terms.h"

namespace weft::transformer {

/// Which learned tensors make which outputs.
struct GlobalTable {
  struct Outputs {
    bool per_column;                ///< outputs (e, k), k in 1..D; else e
    int phi[GlobalVector::pieces];  ///< numbers of the phis, by piece
    int constant;
  };
  std::vector<Outputs> groups;

  GlobalTable(const TermList& list, std::span<const GlobalTerms> terms);
  std::int64_t outputs(const Sizes& z) const;
  /// Numbers of all phis but the constants.
  std::vector<int> phis() const;
};

/// Number of the learned tensor of that name.
int find_parameter(const TermList& list, const std::string& name);

/// Numbers of E's learned tensors outside the global terms.
struct AxisTable {
  int heads[3], WO_sum, WO, row_VO, row_WA, WA, WB[3], sum[3], bA[3];  ///< see AxisTerms

  explicit AxisTable(const TermList& list);
};

/// One call. x [batch, GlobalVector::size] -> y [batch, outputs], group after group.
template <class T>
struct GlobalCall {
  const GlobalTable* table = nullptr;
  Sizes z;
  const T** phi = nullptr;  ///< by number of the learned tensor
  T *x = nullptr, *y = nullptr;
  T* gy = nullptr;  ///< cotangent of y: where the vjp's caller writes it, before vjp()
  OuterSum* sums = nullptr;

  GlobalCall(const GlobalTable& t, const Sizes& sizes, std::span<const Var> learned, Arena& arena);
  std::int64_t outputs() const { return table->outputs(z); }
  void forward(Arena& arena) const;
  /// Gradients of the phis: inputs first + number of the node.
  void parameters_vjp(Backward& back, int first) const;
  /// gx [batch, GlobalVector::size].
  void input_vjp(T* gx) const;
};

}  // namespace weft::transformer
