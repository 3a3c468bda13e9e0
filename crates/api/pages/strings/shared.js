// What both pages say, in English and in Spanish.
addStrings({
  offline: ['The server does not answer. Check the connection.', 'El servidor no responde. Comprueba la conexión.'],
  serverError: ['The server answered with an error ({status}).', 'El servidor respondió con un error ({status}).'],
});
