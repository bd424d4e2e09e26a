# cmake -DFILE=… -DCOMMAND=a;b;c -P output.cmake: a command's output as a file, which is there only when it succeeded.
execute_process(COMMAND ${COMMAND} OUTPUT_VARIABLE text RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${COMMAND}: ${status}")
endif()
file(WRITE ${FILE} "${text}")
