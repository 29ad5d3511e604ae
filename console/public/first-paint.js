// Sets language and theme before the first paint; a file of its own because the page's policy allows no inline script.
(function () {
  var root = document.documentElement;
  var read = function (name) {
    try {
      return localStorage.getItem('tocsin.' + name);
    } catch (refused) {
      return null;
    }
  };
  var theme = read('theme');
  if (theme !== 'dark' && theme !== 'light') {
    theme = matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark';
  }
  root.dataset.theme = theme;
  var language = read('language') || navigator.language || 'en';
  root.lang = /^zh/i.test(language) ? 'zh-CN' : 'en';
})();
