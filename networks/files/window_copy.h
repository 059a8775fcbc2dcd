#pragma once
// The numbers of a space's tensors out of those of a file's, and back (spec 8.6).

#include <functional>
#include <string>
#include <vector>

#include "weft/core/tensor.h"
#include "weft/networks/files/file_space.h"

namespace weft {

/// A tensor of the file by its name, float32 or float64, or an undefined one where there is none.
using FileNumbers = std::function<Tensor(const std::string& name)>;

/// The weights of a space: tensor t as a feature of one network, [1, taps, axes…], of the dtype that the file's tensor
/// has, and a view of that where its numbers lie there one behind the other. Throws FormatError, naming the tensor, for
/// one that is missing, of another shape or dtype, a copy that holds other numbers than what it is tied to, and numbers
/// that are none of a folded network where they must be.
std::vector<Tensor> read_windows(const FileSpace& files, const FileNumbers& numbers);
/// Of tensor `tensor` alone; copies and constants are not looked at.
Tensor read_window(const FileSpace& files, int tensor, const FileNumbers& numbers);

/// Throws FormatError for a copy of the file's tensor that holds other numbers, and for a constant that is another one.
void check_entry(const FileEntry& file, const FileNumbers& numbers);

/// Writes them into the file's tensors, which are owned or may be written, and have the weights' dtypes; copies get
/// the same numbers, constants are written too. What is written and read again is the same to the bit, but for tensors
/// whose file lacks 1 and axes in a basis of the vectors of sum 0; where their sums are in another window, what that
/// one wrote stays. Throws as read_windows does; ShapeError for weights that are none of the space.
void write_windows(const FileSpace& files, const std::vector<Tensor>& weights, const FileNumbers& numbers);
/// Of tensor `tensor` alone.
void write_window(const FileSpace& files, int tensor, const Tensor& weight, const FileNumbers& numbers);

}  // namespace weft
