find_package(fmt REQUIRED)
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)

# weft_found_library(TARGET LIBRARY INCLUDE): a target for a library that has no CMake package of its own.
function(weft_found_library target library include)
  add_library(${target} INTERFACE)
  target_link_libraries(${target} INTERFACE ${library})
  target_include_directories(${target} INTERFACE ${include})
endfunction()

find_library(WEFT_MINIZIP_LIBRARY NAMES minizip)
find_path(WEFT_MINIZIP_INCLUDE NAMES minizip/unzip.h)
if(NOT WEFT_MINIZIP_LIBRARY OR NOT WEFT_MINIZIP_INCLUDE)
  message(FATAL_ERROR "no minizip: install libminizip-dev (tools/setup.sh does), or set WEFT_MINIZIP_LIBRARY and WEFT_MINIZIP_INCLUDE")
endif()
weft_found_library(weft_minizip ${WEFT_MINIZIP_LIBRARY} ${WEFT_MINIZIP_INCLUDE})
find_package(nlohmann_json REQUIRED)
find_package(Eigen3 REQUIRED NO_MODULE)

# A CBLAS without threads of its own beside ours. WEFT_CBLAS_DIR names the folder of libopenblas.so.
if(WEFT_CBLAS)
  set(WEFT_CBLAS_DIR "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/openblas-serial" CACHE PATH "Folder of a serial libopenblas")
  find_library(WEFT_CBLAS_LIBRARY NAMES openblas PATHS ${WEFT_CBLAS_DIR} NO_DEFAULT_PATH)
  find_path(WEFT_CBLAS_INCLUDE NAMES cblas.h HINTS /usr/include/${CMAKE_LIBRARY_ARCHITECTURE}
    PATH_SUFFIXES openblas-serial openblas)
  if(NOT WEFT_CBLAS_LIBRARY OR NOT WEFT_CBLAS_INCLUDE)
    message(FATAL_ERROR "no CBLAS in ${WEFT_CBLAS_DIR}: install libopenblas-serial-dev (tools/setup.sh does) or set WEFT_CBLAS_DIR")
  endif()
  weft_found_library(weft_cblas ${WEFT_CBLAS_LIBRARY} ${WEFT_CBLAS_INCLUDE})
elseif(WEFT_TESTS)
  message(FATAL_ERROR "WEFT_CBLAS is off, but benchmarks measure beside it: set WEFT_TESTS=OFF")
endif()

if(WEFT_TESTS)
  find_package(doctest REQUIRED)
endif()
