# HS_APPEND_FLAGS(VARIABLE, FLAG...): add those flags that the C compiler knows.
AC_DEFUN([HS_APPEND_FLAGS], [
  for hs_flag in $2; do
    AC_CACHE_CHECK([whether $CC accepts $hs_flag], [AS_TR_SH([hs_cv_flag_$hs_flag])], [
      hs_saved_cflags=$CFLAGS
      # clang only warns of flags it does not know; gcc is silent about -Wno-*.
      CFLAGS="$CFLAGS -Werror $hs_flag"
      AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
        [AS_VAR_SET([AS_TR_SH([hs_cv_flag_$hs_flag])], [yes])],
        [AS_VAR_SET([AS_TR_SH([hs_cv_flag_$hs_flag])], [no])])
      CFLAGS=$hs_saved_cflags
    ])
    AS_VAR_IF([AS_TR_SH([hs_cv_flag_$hs_flag])], [yes], [AS_VAR_APPEND([$1], [" $hs_flag"])])
  done
])
